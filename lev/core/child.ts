import { checkOperation } from './arguments.js'
import { sameContext } from './async-context.js'
import { makesAwaitable, type Awaitable } from './operation.js'
import { UsageError } from './errors.js'
import { made } from './forgotten.js'
import type { Op, Suspension, Waker } from './op.js'
import { runningTask, Task, type TaskOwner } from './task.js'

/**
 * An operation in a task of its own, so that it can be cancelled alone, while `caller` waits for it. Cancelling the caller
 * cancels it too, and waits for it to unwind. Each timeout needs one, so it does without a scope and a second generator.
 */
export class Child<T> implements TaskOwner, Suspension {
  readonly task: Task<T>
  readonly #caller: Task<unknown>
  #waker: Waker | null = null

  constructor(caller: Task<unknown>, op: Op<T>, context = sameContext) {
    this.#caller = caller
    this.task = context(() => new Task(caller.loop, op, this, caller.scope))
  }

  /**
   * Takes the first step at once, so that an operation that does not wait costs no turn. If this returns true, the caller must
   * yield the child immediately. After that, `given` returns its result.
   */
  start(): boolean {
    this.task.run()
    if (this.task.outcome !== null) return false
    this.#caller.cancellation.beginDelegating(this.task)
    return true
  }

  settled(): void {
    if (this.#waker === null) return
    this.#caller.cancellation.endDelegating()
    this.#waker.resume(undefined)
  }

  arm(waker: Waker): void {
    this.#waker = waker
  }

  disarm(): void {}
}

/** The result of a child. @throws what it threw; CancelledError if it was cancelled and `caller` was not */
export function* given<T>(caller: Task<unknown>, task: Task<T>): Op<T> {
  if (task.outcome?.kind === 'cancelled') yield* caller.cancellation.unwind()
  if (task.outcome?.kind === 'error' && task.cancellation.unwinding) yield* caller.cancellation.unwindWith(task.outcome.error)
  return task.result()
}

/**
 * Runs `op` in the async context in which `call` calls its argument: `yield* lev.within((run) => storage.run(store, run), op)`.
 * @throws UsageError if `call` returns without having called its argument; what `op` throws
 */
export function within<T>(call: (run: () => void) => unknown, op: Op<T>): Awaitable<T> {
  return made(runningWithin(call, op), op)
}

function* runningWithin<T>(call: (run: () => void) => unknown, op: Op<T>): Op<T> {
  checkOperation('within', op)
  const caller = runningTask('lev.within()')
  const child = new Child(caller, op, (make) => {
    const tasks: ReturnType<typeof make>[] = []
    call(() => tasks.push(make()))
    if (tasks.length === 0) throw new UsageError('within: call must call what it is given, before it returns')
    return tasks[0]
  })
  if (child.start()) yield child
  return yield* given(caller, child.task)
}
makesAwaitable(runningWithin)
