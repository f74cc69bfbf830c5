import { CancelledError } from './errors.js'
import { instanceOf } from './foreign.js'
import type { Op, Suspension } from './op.js'

type Frame = Op<unknown>
type Step = IteratorResult<Suspension, unknown>

/** What all generators inherit `return` from. */
const prototype = Object.getPrototypeOf(Object.getPrototypeOf((function* () {})())) as Frame
const nativeReturn = prototype.return

/**
 * Ends a generator that is suspended, with all those that it waits for in `yield*`: its frames.
 *
 * JavaScript does this by itself only as long as no `finally` block suspends. If one does, the generator that it belongs to
 * is resumed by `next` later, and when that one is done, the generator around it cannot tell that from an ordinary end of
 * `yield*`: it would go on with the value undefined, as if nothing had happened. So here each frame is ended by itself, the
 * innermost first, and the next one once that is done.
 */
export class Unwinder {
  /** The frames that are not done, innermost first. */
  #frames: Frame[] = []

  /** Ends `root`, up to where a `finally` block suspends. */
  begin(root: Frame): Step {
    const { step, frames } = endNoting(root)
    this.#frames = frames
    return step
  }

  /** Goes on in the innermost frame, after it has suspended; then ends those around it, up to where one suspends. */
  resume(entry: 'next' | 'throw' | 'return', value: unknown): Step {
    while (this.#frames.length > 0) {
      try {
        const step = enter(this.#frames[0], entry, value)
        if (step.done !== true) return step
        entry = 'return'
      } catch (error) {
        if (this.#frames.length === 1) throw error
        // The error of a `finally` block goes outwards as any other; but no catch is to see that a task was cancelled.
        entry = instanceOf(error, CancelledError) ? 'return' : 'throw'
        value = error
      }
      this.#frames.shift()
    }
    return { done: true, value: undefined }
  }
}

function enter(frame: Frame, entry: 'next' | 'throw' | 'return', value: unknown): Step {
  if (entry === 'next') return frame.next(value)
  return entry === 'throw' ? frame.throw(value) : frame.return(undefined)
}

/**
 * Calls `root.return()`, and finds the frames that are alive after it. `yield*` hands the call inwards, to the method
 * `return` of the frame inside; each of them gives the same result object, by which a frame is told from other generators
 * that a `finally` block may have ended.
 */
function endNoting(root: Frame): { step: Step; frames: Frame[] } {
  const calls: { frame: Frame; step: Step }[] = []
  const found: unknown = prototype.return
  const noting = function (this: Frame, value: unknown): Step {
    const step = nativeReturn.call(this, value)
    calls.push({ frame: this, step })
    return step
  }
  // Where the language's own objects are frozen, this does nothing, and the frames stay unknown.
  Reflect.set(prototype, 'return', noting)
  try {
    const step = nativeReturn.call(root, undefined)
    const inner = calls.filter((call) => call.step === step).map(({ frame }) => frame)
    return { step, frames: [...inner, root] }
  } finally {
    Reflect.set(prototype, 'return', found)
  }
}
