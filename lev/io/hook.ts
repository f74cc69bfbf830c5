import { UsageError } from '../core/errors.js'

/** Holds the one function that an object calls at some event. It cannot be replaced in silence: it has to be detached first. */
export class Hook<F extends (...args: never[]) => void> {
  /** @internal The attached function; null if there is none. */
  attached: F | null = null
  readonly #name: string

  /** @param name for error messages: "stream.onGone" */
  constructor(name: string) {
    this.#name = name
  }

  /** Sets the function to be called. @throws UsageError if another one is attached */
  attach(call: F): void {
    if (this.attached !== null) throw new UsageError(`${this.#name} is taken: it calls one function, which has to be detached first`)
    this.attached = call
  }

  /** Removes `call`; does nothing if it is not the attached function. */
  detach(call: F | null): void {
    if (this.attached === call) this.attached = null
  }
}
