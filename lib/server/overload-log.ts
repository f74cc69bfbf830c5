import { now } from '../../lev/index.js'
import { overloadLogSeconds } from '../config/fixed-limits.js'
import type { Logger } from '../log/logger.js'

/** Logs that a limit is reached, with what happened since the last line: however often that is, at most one line a second. */
export class OverloadLog<Happening extends string> {
  readonly #setting: string
  readonly #happenings: readonly Happening[]
  #counts: Record<Happening, number>
  #loggedAt = -Infinity

  /** @param setting the name of the limit @param happenings what is counted, by the names of their fields */
  constructor(setting: string, ...happenings: readonly Happening[]) {
    this.#setting = setting
    this.#happenings = happenings
    this.#counts = this.#none()
  }

  /** It has happened once more. @param limit the value of the setting @param fields more about this one */
  count(happening: Happening, limit: number, logger: Logger, fields: object = {}): void {
    this.#counts[happening]++
    if (now() - this.#loggedAt < overloadLogSeconds) return
    logger.warn({ ...this.#counts, ...fields, [this.#setting]: limit }, `${this.#setting} reached`)
    this.#loggedAt = now()
    this.#counts = this.#none()
  }

  #none(): Record<Happening, number> {
    return Object.fromEntries(this.#happenings.map((happening) => [happening, 0])) as Record<Happening, number>
  }
}
