import type { Loop } from './loop.js'
import { runningTask } from './task.js'

/** Makes a look-up that gives one value in each world of tasks, the running task's: `make` makes it at its first use there. */
export function perWorld<T>(what: string, make: () => T): () => T {
  const values = new WeakMap<Loop, { readonly value: T }>()
  return () => {
    const { loop } = runningTask(what)
    let entry = values.get(loop)
    if (entry === undefined) values.set(loop, (entry = { value: make() }))
    return entry.value
  }
}

/** The environment variables of the running task's world: on a virtual network, none. */
export function environment(): Readonly<Record<string, string | undefined>> {
  return runningTask('environment').loop.driver.environment ?? {}
}
