import { captureContext, contextsInUse, leaveContext } from './async-context.js'
import { runningTask, type Aftermath, type Task } from './task.js'

/**
 * Calls a function that cannot wait, in a task that outlives the function's work: the tasks that it spawns, and the stores that
 * it enters into an AsyncLocalStorage, go to `aftermath`, for `scopeAfter`, and not to the running task.
 */
export function callApart<T>(aftermath: Aftermath, call: () => T): T {
  const task = runningTask('this')
  const { scope } = task
  task.scope = aftermath
  try {
    return callInContext(task, call, aftermath)
  } finally {
    task.scope = scope
  }
}

/** Calls a function for its result alone: a store that it enters into an AsyncLocalStorage is gone after the call. */
export function callContained<T>(call: () => T): T {
  return callInContext(runningTask('this'), call, null)
}

function callInContext<T>({ loop }: Task<unknown>, call: () => T, aftermath: Aftermath | null): T {
  if (contextsInUse) {
    return captureContext()(() => {
      const value = call()
      if (aftermath !== null) aftermath.context = captureContext()
      return value
    })
  }
  try {
    return call()
  } finally {
    if (contextsInUse) {
      if (aftermath !== null) aftermath.context = captureContext()
      leaveContext(loop.context, false)
    }
  }
}
