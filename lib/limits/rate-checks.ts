import { integer, number } from '../config/validators.js'

/** Most that a rate or a burst may be. */
const most = 100_000

/** Checks of the options that make a rate. */
export const rateChecks = {
  rate: integer(1, most),
  per: number(0.001, 86_400, 'seconds'),
  burst: integer(1, most),
} as const
