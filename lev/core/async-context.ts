import { AsyncLocalStorage } from 'node:async_hooks'

/** Runs a function in the async context that was current when the snapshot was made. */
export type Snapshot = <T>(run: () => T) => T

/** Runs a function in the context of the caller. */
export const sameContext: Snapshot = (run) => run()

/**
 * Whether the program has ever put anything into an AsyncLocalStorage. Until then tasks keep no contexts: carrying one
 * across a suspension costs several times as much as the suspension itself.
 */
export let contextsInUse = false

/** The async context of the caller. */
export function captureContext(): Snapshot {
  return AsyncLocalStorage.snapshot()
}

/** The async context of the caller, for code that runs later; free while no context is in use. */
export function keepContext(): Snapshot {
  return contextsInUse ? captureContext() : sameContext
}

/** A copy of `context`: `enterWith` changes a context for all code that runs in it. */
export function copyContext(context: Snapshot): Snapshot {
  return context(captureContext)
}

/** `storage.run(store, call)` without carrying it from task to task: for a store that is the same in all tasks of a world. */
export const runUnnoticed: <S, T>(storage: AsyncLocalStorage<S>, store: S, call: () => T) => T = (() => {
  const run = AsyncLocalStorage.prototype.run as (...args: unknown[]) => unknown
  return <S, T>(storage: AsyncLocalStorage<S>, store: S, call: () => T) => Reflect.apply(run, storage, [store, call]) as T
})()

// Node cannot say whether any AsyncLocalStorage is in use, and each suspension has to know. So the two methods that set
// a store are wrapped until their first call.
//
// The task step in which that call happens has no context of its own, so `enterWith` changes the driver's context. Until
// that step ends, every `enterWith` is recorded, and afterwards the stores that the loop began with are restored.

type Method = (this: AsyncLocalStorage<unknown>, ...args: unknown[]) => unknown

/** Storages entered by a step that has no context of its own. */
const entered = new Set<AsyncLocalStorage<unknown>>()
let isInStep = (): boolean => false

const unwrapRun = wrap('run', () => {
  unwrapRun()
  if (!isInStep()) unwrapEnter()
})

const unwrapEnter = wrap('enterWith', (storage) => {
  unwrapRun()
  if (isInStep()) entered.add(storage)
  else unwrapEnter()
})

/** Calls `note` before each call of the method `name` of any AsyncLocalStorage. Returns a function that unwraps it. */
function wrap(name: 'run' | 'enterWith', note: (storage: AsyncLocalStorage<unknown>) => void): () => void {
  const original = Reflect.get(AsyncLocalStorage.prototype, name) as Method
  let active = true
  const noting: Method = function (...args) {
    contextsInUse = true
    if (active) note(this)
    return Reflect.apply(original, this, args)
  }
  Reflect.set(AsyncLocalStorage.prototype, name, noting)
  return () => {
    active = false
    // If other code has wrapped the method since, ours stays in place and does nothing.
    if (Reflect.get(AsyncLocalStorage.prototype, name) === noting) Reflect.set(AsyncLocalStorage.prototype, name, original)
  }
}

/** @param inStep returns whether a task is running */
export function watchContexts(inStep: () => boolean): void {
  isInStep = inStep
}

/**
 * Called at the end of a step, or of a call in it, that had no context of its own and in which contexts came into use:
 * restores the stores of `base`. `outermost`: it was a step that no other step encloses.
 */
export function leaveContext(base: Snapshot, outermost: boolean): void {
  if (outermost) unwrapEnter()
  for (const storage of entered) {
    const before = base(() => storage.getStore())
    if (storage.getStore() !== before) storage.enterWith(before)
  }
  entered.clear()
}
