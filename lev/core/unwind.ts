import { CancelledError } from './errors.js'
import { together } from './failure.js'
import { instanceOf } from './foreign.js'
import type { Op, Suspension } from './op.js'

type Frame = Op<unknown>
type Step = IteratorResult<Suspension, unknown>

/** What all generators inherit `return` from. */
const prototype = Object.getPrototypeOf(Object.getPrototypeOf((function* () {})())) as Frame
const nativeReturn = prototype.return

/**
 * The value that a frame is ended with. `yield*` hands it inwards: by it a frame is told from the generators that a `finally`
 * block ends by itself.
 */
const ending = Symbol('lev: the task was cancelled')

/** What a frame that is over gives to the one around it, which then ends, too. */
const over: Step = { done: true, value: ending }

/** Suspensions that a task tries after its time for cleaning up is over, and that throw; after these it is ended by force. */
const refusalsAtMost = 1000

/** Frames that were ended by force once. */
const forced = new WeakSet<Frame>()
/** Frames that did not end for all that: they are left as they are, and those around them end. */
const givenUp = new WeakSet<Frame>()

/**
 * Ends a generator that is suspended, with all those that it waits for in `yield*`: its frames.
 *
 * JavaScript's own `return` does this only as long as no `finally` block suspends or throws. If one suspends, the generator that
 * it belongs to is resumed by `next` later, and when that one is done, the generator around it cannot tell that from an ordinary
 * end of `yield*`: it would go on with the value undefined, as if nothing had happened. If one throws, a `catch` around it would
 * go on, too. So here each frame is ended by itself, the innermost first, and the next one once that is done, however it ends.
 */
export class Unwinder {
  /** The frames that are not done, innermost last. */
  readonly #frames: Frame[] = []
  #errors: unknown[] | null = null
  #refusals = 0

  /** Keeps an error for the end, where it is thrown with those of the `finally` blocks. */
  keep(error: unknown): void {
    if (!instanceOf(error, CancelledError)) (this.#errors ??= []).push(error)
  }

  /** Ends `root`, up to where a `finally` block suspends. @throws what `finally` blocks threw, once all frames are done */
  begin(root: Frame): Step {
    this.#frames.push(root)
    return this.#end()
  }

  /**
   * Goes on in the innermost frame, after it has suspended; then ends those around it, up to where one suspends.
   * @throws what `finally` blocks threw, once all frames are done
   */
  resume(entry: 'next' | 'throw', value: unknown): Step {
    const frame = this.#frames[this.#frames.length - 1]
    try {
      const step = entry === 'next' ? frame.next(value) : frame.throw(value)
      if (step.done !== true) return step
    } catch (error) {
      this.keep(error)
    }
    this.#frames.pop()
    return this.#end()
  }

  /** A suspension is refused. Gives whether by an error, which a `finally` block may catch; else it is time for `force`. */
  refuse(): boolean {
    return this.#refusals++ < refusalsAtMost
  }

  /** Ends the innermost frame where it has suspended, and what runs in it; gives it up if that did not help before. */
  force(): Step {
    const frame = this.#frames[this.#frames.length - 1]
    if (forced.has(frame)) {
      givenUp.add(frame)
      this.#frames.pop()
    }
    forced.add(frame)
    return this.#end()
  }

  #end(): Step {
    const found: unknown = prototype.return
    const endFrame = (frame: Frame): Step => this.#endFrame(frame)
    // Where the language's own objects are frozen, this does nothing: the root is ended as JavaScript does it.
    Reflect.set(prototype, 'return', function (this: Frame, value: unknown): Step {
      return value === ending ? endFrame(this) : nativeReturn.call(this, value)
    })
    try {
      for (let frame = this.#frames.pop(); frame !== undefined; frame = this.#frames.pop()) {
        const step = this.#endFrame(frame)
        if (step.done !== true) return step
      }
    } finally {
      Reflect.set(prototype, 'return', found)
    }
    if (this.#errors !== null) throw together(this.#errors)
    return over
  }

  /** Ends one frame; those inside of it come first, by way of `yield*`. */
  #endFrame(frame: Frame): Step {
    if (givenUp.has(frame)) return over
    const depth = this.#frames.push(frame)
    try {
      const step = nativeReturn.call(frame, ending)
      if (step.done !== true) return step
    } catch (error) {
      this.keep(error)
    }
    this.#frames.length = depth - 1
    return over
  }
}
