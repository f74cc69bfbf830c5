import { AsyncLocalStorage } from 'node:async_hooks'

/** Runs a function in the async context that was current when the snapshot was made. */
export type Snapshot = (run: () => void) => void

/**
 * Whether the program has ever put anything into an AsyncLocalStorage. Until then tasks keep no contexts, since carrying
 * one over a suspension costs several times what the suspension itself does.
 */
export let contextsInUse = false

/** The async context of the caller. */
export function captureContext(): Snapshot {
  return AsyncLocalStorage.snapshot()
}

// Node has no way to ask whether any AsyncLocalStorage is in use, and the answer is needed at each suspension. So the two
// methods that put a store in place note their first call, and are their old selves from then on.
for (const name of ['run', 'enterWith']) {
  const original: unknown = Reflect.get(AsyncLocalStorage.prototype, name)
  if (typeof original !== 'function') continue
  const noting = function (this: unknown, ...args: unknown[]): unknown {
    contextsInUse = true
    if (Reflect.get(AsyncLocalStorage.prototype, name) === noting) Reflect.set(AsyncLocalStorage.prototype, name, original)
    return Reflect.apply(original, this, args)
  }
  Reflect.set(AsyncLocalStorage.prototype, name, noting)
}
