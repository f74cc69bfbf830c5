import { UsageError } from './errors.js'
import type { Op } from './op.js'

/** Lets one task at a time use something. A second task is rejected before it can disturb the first. */
export class Exclusive {
  readonly #use: string
  #inUse = false

  /** @param use what a task does, for the error message: "read one body" */
  constructor(use: string) {
    this.#use = use
  }

  /** Runs `op`, which must not have started. @throws UsageError while another operation runs here; what `op` throws */
  *run<T>(op: Op<T>): Op<T> {
    if (this.#inUse) throw new UsageError(`two tasks ${this.#use} at the same time`)
    this.#inUse = true
    try {
      return yield* op
    } finally {
      this.#inUse = false
    }
  }
}
