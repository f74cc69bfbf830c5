import type { Attempt } from '../../../../lib/dialects/zune/index.js'

/** The value of what went well. */
export function valueOf<T>([success, value]: Attempt<T>): T {
  if (!success) throw new Error(value)
  return value
}
