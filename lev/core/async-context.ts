import { AsyncLocalStorage } from 'node:async_hooks'

/** Runs a function in the async context that was current when the snapshot was made. */
export type Snapshot = <T>(run: () => T) => T

/** Runs a function in the context of the caller. */
export const sameContext: Snapshot = (run) => run()

/**
 * Whether the program has ever put anything into an AsyncLocalStorage. Until then tasks keep no contexts, since carrying
 * one over a suspension costs several times what the suspension itself does.
 */
export let contextsInUse = false

/** The async context of the caller. */
export function captureContext(): Snapshot {
  return AsyncLocalStorage.snapshot()
}

/** The async context of the caller, for what runs later; costs nothing while there is nothing in any. */
export function keepContext(): Snapshot {
  return contextsInUse ? captureContext() : sameContext
}

/** One more of the same: what is entered in a context changes it for everybody who runs in it. */
export function copyContext(context: Snapshot): Snapshot {
  return context(captureContext)
}

// Node has no way to ask whether any AsyncLocalStorage is in use, and the answer is needed at each suspension. So the two
// methods that put a store in place note their first call, and are their old selves from then on.
//
// The step of a task in which that happens did not run in a context of its own, and `enterWith` changes the one that it
// runs in, which is the driver's: there it goes on being noted, and what the loop began with is put back after the step.

type Method = (this: AsyncLocalStorage<unknown>, ...args: unknown[]) => unknown

/** What was entered in a step without a context of its own. */
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

/** Calls `note` before each call of a method of every AsyncLocalStorage; gives what ends that. */
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
    // Somebody else may have wrapped it since: then it stays, and does nothing.
    if (Reflect.get(AsyncLocalStorage.prototype, name) === noting) Reflect.set(AsyncLocalStorage.prototype, name, original)
  }
}

/** `inStep` tells whether a task runs. */
export function watchContexts(inStep: () => boolean): void {
  isInStep = inStep
}

/**
 * The end of a step, or of a call in it, without a context of its own, in which contexts came into use: puts back what is in
 * `base`. `outermost`: it is a step, and none is around it.
 */
export function leaveContext(base: Snapshot, outermost: boolean): void {
  if (outermost) unwrapEnter()
  for (const storage of entered) {
    const before = base(() => storage.getStore())
    if (storage.getStore() !== before) storage.enterWith(before)
  }
  entered.clear()
}
