import type { Loop } from './loop.js'
import { runningTask } from './task.js'

/** Returns a function that returns one value per world of tasks, for the running task's world; `make` creates it on first use. */
export function perWorld<T>(what: string, make: () => T): () => T {
  const values = new WeakMap<Loop, { readonly value: T }>()
  return () => {
    const { loop } = runningTask(what)
    let entry = values.get(loop)
    if (entry === undefined) values.set(loop, (entry = { value: make() }))
    return entry.value
  }
}

/** The environment variables of the running task's world; none on a virtual network. */
export function environment(): Readonly<Record<string, string | undefined>> {
  return runningTask('environment').loop.driver.environment ?? {}
}
