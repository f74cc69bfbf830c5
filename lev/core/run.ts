import { checkStart, isOperation } from './arguments.js'
import type { Driver } from '../drivers/driver.js'
import { nodeDriver } from '../drivers/node/node.js'
import { CancelledError, ClosedError, DeadlockError, UsageError } from './errors.js'
import { Loop, type Guest, type Report } from './loop.js'
import type { Op } from './op.js'
import { scope } from './scope.js'
import { currentTask, Task, type Outcome, type TaskOwner } from './task.js'

/** In which world `run` runs. */
export interface RunOptions {
  /** Where bytes and time come from; node:net and the system's clock when absent. */
  readonly driver?: Driver | null | undefined
  /** Told of errors that no task can be given, once each; prints them to stderr when absent. */
  readonly report?: Report | null | undefined
}

function printError(error: unknown): void {
  console.error('lev: an error that nobody waited for:', error)
}

/**
 * Runs `main` as a task, with everything it spawns, and gives its value once all of them are done.
 * Called inside a task and without a driver, it runs in the same world: same loop, same clock, same network.
 * When the run is over that a world was made for, those in the same world are cancelled and waited for.
 *
 * @returns a promise that rejects with what a task threw (an AggregateError if several did); with CancelledError when the world has
 * ended meanwhile, ClosedError when it had before; and, on the memory driver, with DeadlockError when every task waits and nothing can wake one
 */
export function run<T>(main: () => Op<T>, options: RunOptions = {}): Promise<T> {
  const given = options.driver ?? null
  const around = given === null ? currentTask() : null
  if (around !== null) return visit(around.loop, main)
  const driver = given ?? nodeDriver()
  const loop = new Loop(driver, options.report ?? printError)
  return drive(loop, main).finally(async () => {
    await Promise.all(Array.from(loop.guests, ({ ended }) => ended))
    driver.stop()
  })
}

/** A way into a world of tasks for code outside of it: async functions, callbacks. */
export interface Portal {
  /** Runs `main` as a task of that world, with everything it spawns; the promise is as that of `run`, called there. */
  run<T>(main: () => Op<T>): Promise<T>
}

/** The world that code outside of all tasks shares, once it needs one. */
let shared: Loop | null = null

/** The way into the world of the running task; outside of tasks, into one on node:net that all code there shares. */
export function portal(): Portal {
  const loop = currentTask()?.loop ?? (shared ??= new Loop(nodeDriver(), printError))
  return { run: (main) => visit(loop, main) }
}

/** Runs `main` in a loop that was made for another run, and no longer than that. */
function visit<T>(loop: Loop, main: () => Op<T>): Promise<T> {
  if (loop.isOver) return Promise.reject(new ClosedError('the run that this world was made for is over: nothing runs in it any more'))
  return drive(loop, main, true)
}

/** @param isGuest whether the loop was made for another run */
function drive<T>(loop: Loop, main: () => Op<T>, isGuest = false): Promise<T> {
  const promise = new Promise<T>((resolve, reject) => {
    checkStart('run', main)
    let deadlock: DeadlockError | null = null
    let tellEnded: () => void = () => {}
    const owner: TaskOwner = {
      settled() {
        loop.whenDeadlocked.delete(whenDeadlocked)
        if (isGuest) {
          loop.guests.delete(guest)
          tellEnded()
          // Who started it may not wait for it: that the world has ended is no news then.
          if (loop.isOver && task.outcome?.kind === 'cancelled') promise.catch(() => {})
        } else {
          loop.isOver = true
          for (const { cancel } of loop.guests) cancel()
        }
        if (deadlock === null) return settle(task.outcome, resolve, reject)
        reject(deadlock)
        if (task.outcome?.kind === 'error') loop.report(task.outcome.error)
      },
    }
    const task: Task<T> = new Task(loop, scope(main), owner, owner)
    function whenDeadlocked(): void {
      if (deadlock !== null) reject(deadlock)
      deadlock = new DeadlockError('every task waits, and there is no timer, no byte and no promise left that could wake one')
      task.cancel('error')
    }
    const guest: Guest = {
      cancel: () => task.cancel('the run around it is over'),
      ended: new Promise((resolveEnded) => (tellEnded = resolveEnded)),
    }
    loop.whenDeadlocked.add(whenDeadlocked)
    if (isGuest) loop.guests.add(guest)
    task.start()
  })
  return promise
}

function settle<T>(outcome: Outcome<T> | null, resolve: (value: T) => void, reject: (error: unknown) => void): void {
  if (outcome?.kind === 'error') reject(outcome.error)
  else if (outcome?.kind === 'cancelled') reject(new CancelledError(outcome.reason))
  else if (outcome?.kind === 'value' && isOperation(outcome.value)) reject(new UsageError(neverRun))
  else if (outcome?.kind === 'value') resolve(outcome.value)
}

const neverRun = 'run was given an operation for its value, which nothing runs: write return yield*'
