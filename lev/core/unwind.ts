import { CancelledError } from './errors.js'
import { together } from './failure.js'
import { instanceOf } from './foreign.js'
import type { Op, Suspension } from './op.js'

type Frame = Op<unknown>
type Step = IteratorResult<Suspension, unknown>

/** The prototype from which all generators inherit `return`. */
const prototype = Object.getPrototypeOf(Object.getPrototypeOf((function* () {})())) as Frame
const nativeReturn = prototype.return

/**
 * The value with which a frame is ended. `yield*` passes it inwards: it distinguishes frames from generators that a `finally`
 * block ends by itself.
 */
const ending = Symbol('lev: the task was cancelled')

/** The result of a finished frame for the frame around it, which then ends too. */
const over: Step = { done: true, value: ending }

/** How many suspensions after the cleanup time throw in the task; after these it is ended by force. */
const refusalsAtMost = 1000

/** Frames that were ended by force once. */
const forced = new WeakSet<Frame>()
/** Frames that did not end even so: they are left suspended, and the frames around them are ended. */
const givenUp = new WeakSet<Frame>()

/**
 * Ends a suspended generator and all generators that it waits for in `yield*`: its frames.
 *
 * JavaScript's own `return` does this only while no `finally` block suspends or throws. If one suspends, its generator is
 * resumed by `next` later, and when that generator is done, the one around it takes this for an ordinary end of `yield*` and
 * goes on with the value undefined, as if nothing had happened. If one throws, a `catch` around it would make the task go on
 * too. So each frame is ended separately, the innermost first, and the next one once that is done, however it ended.
 */
export class Unwinder {
  /** The frames that are not done, innermost last. */
  readonly #frames: Frame[] = []
  #errors: unknown[] | null = null
  #refusals = 0

  /** Keeps an error, to be thrown at the end together with those of the `finally` blocks. */
  keep(error: unknown): void {
    if (!instanceOf(error, CancelledError)) (this.#errors ??= []).push(error)
  }

  /** Ends `root`, until a `finally` block suspends. @throws what `finally` blocks threw, once all frames are done */
  begin(root: Frame): Step {
    this.#frames.push(root)
    return this.#end()
  }

  /**
   * Resumes the innermost frame after a suspension; then ends the frames around it, until one suspends.
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

  /** Called when a suspension is rejected: true if the frame is to get an error, which it may catch; false if `force` is due. */
  refuse(): boolean {
    return this.#refusals++ < refusalsAtMost
  }

  /** Ends the innermost frame where it has suspended, and the generators inside it; gives it up if that failed before. */
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
    // If the built-in objects are frozen, this does nothing: the root is then ended as JavaScript does it.
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

  /** Ends one frame; `yield*` makes the frames inside it end first. */
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
