import { AsyncLocalStorage } from 'node:async_hooks'
import { checkStart, isOperation } from './arguments.js'
import { runUnnoticed } from './async-context.js'
import type { Driver } from '../drivers/driver.js'
import { nodeDriver } from '../drivers/node/node.js'
import { CancelledError, ClosedError, DeadlockError, UsageError } from './errors.js'
import { Loop, type Guest, type Report } from './loop.js'
import type { Op } from './op.js'
import { beginAwaitedBy } from './operation.js'
import { Scope, scope } from './scope.js'
import { currentTask, Task, type Outcome, type TaskOwner } from './task.js'

/** Options of `run`: the world to run in. */
export interface RunOptions {
  /** Provides I/O and time; by default node:net and the system's clock. */
  readonly driver?: Driver | null | undefined
  /** Called once with each error that cannot be delivered to any task; by default they are printed to stderr. */
  readonly report?: Report | null | undefined
}

function printError(error: unknown): void {
  console.error('lev: an error that no task received:', error)
}

/**
 * Runs `main` as a task, with everything it spawns, and returns its value once all of them are done.
 * Called inside a task and without a driver, it runs in the same world: same loop, same clock, same network.
 * When the run that a world was created for is over, the other runs in that world are cancelled and waited for.
 *
 * @returns a promise that rejects with what a task threw (an AggregateError if several did); with CancelledError if the world
 * ends meanwhile, ClosedError if it had ended before; and, on the memory driver, with DeadlockError if every task waits and
 * nothing can wake one
 */
export function run<T>(main: () => Op<T>, options: RunOptions = {}): Promise<T> {
  const given = options.driver ?? null
  const around = given === null ? loopAround() : null
  if (around !== null) return visit(around, main)
  const report = options.report ?? printError
  if (given === null) return driveToEnd(new Loop(nodeDriver(), report), main)
  const world: World = { loop: null }
  return runUnnoticed(worlds, world, () => driveToEnd((world.loop = new Loop(given, report, true)), main))
}

/** Drives `loop`, which was created for `main`, and stops its driver. */
function driveToEnd<T>(loop: Loop, main: () => Op<T>): Promise<T> {
  return drive(loop, main).finally(async () => {
    await Promise.all(Array.from(loop.guests, ({ ended }) => ended))
    loop.driver.stop()
  })
}

interface World {
  loop: Loop | null
}

/**
 * The world that async code belongs to, if a driver was given to it. Others are on node:net, with the clock and the network of all
 * code, so nothing has to be carried along for them.
 */
const worlds = new AsyncLocalStorage<World>()

/** The loop of the running task, or of the world that the running async code belongs to. */
function loopAround(): Loop | null {
  return currentTask()?.loop ?? worlds.getStore()?.loop ?? null
}

/** Lets code outside of a world of tasks (async functions, callbacks) run tasks in it. */
export interface Portal {
  /** Runs `main` as a task of that world, with everything it spawns; the promise is like that of `run` called there. */
  run<T>(main: () => Op<T>): Promise<T>
}

/** The world shared by all code outside of tasks, created on first use. */
let shared: Loop | null = null

/** A portal to the world of the running code; for code on no driver of its own, to one on node:net that all such code shares. */
export function portal(): Portal {
  const loop = loopAround() ?? sharedLoop()
  return { run: (main) => visit(loop, main) }
}

function sharedLoop(): Loop {
  return (shared ??= new Loop(nodeDriver(), printError))
}

/** Runs `main` in a loop that was created for another run, and at most until that run ends. */
function visit<T>(loop: Loop, main: () => Op<T>): Promise<T> {
  if (loop.isOver) return Promise.reject(worldIsOver())
  return drive(loop, main, true)
}

function worldIsOver(): ClosedError {
  return new ClosedError('the run that this world was made for is over: nothing runs in it any more')
}

/** @param isGuest whether the loop was created for another run */
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
          // The caller may not be awaiting the promise, and the end of its world should not become an unhandled rejection.
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

/** The outcome of a task for code outside of tasks, which gets its error; one that is not awaited is lost. */
export function promiseOf<T>(task: Task<T>): Promise<T> {
  const promise = new Promise<T>((resolve, reject) => {
    task.addJoiner({ takesError: true, wake: () => settle(task.outcome, resolve, reject) })
  })
  promise.catch(() => {})
  return promise
}

function settle<T>(outcome: Outcome<T> | null, resolve: (value: T) => void, reject: (error: unknown) => void): void {
  if (outcome?.kind === 'error') reject(outcome.error)
  else if (outcome?.kind === 'cancelled') reject(new CancelledError(outcome.reason))
  else if (outcome?.kind === 'value' && isOperation(outcome.value)) reject(new UsageError(neverRun))
  else if (outcome?.kind === 'value') resolve(outcome.value)
}

/**
 * Runs an operation that code outside of tasks awaits, in a task of its own. Tasks that it spawns are waited for; those in the
 * background, such as the reader of a WebSocket that it has opened, go on until they end by themselves.
 */
beginAwaitedBy((op) => {
  const loop = loopAround() ?? sharedLoop()
  if (loop.isOver) return Promise.reject(worldIsOver())
  return new Promise((resolve, reject) => {
    const scope = new Scope(loop, true)
    let tellEnded: () => void = () => {}
    const guest: Guest = {
      cancel: () => scope.cancel('the run around it is over'),
      ended: new Promise((resolveEnded) => (tellEnded = resolveEnded)),
    }
    loop.guests.add(guest)
    const task = scope.spawn(() => op)
    let settled = false
    scope.onSettled(() => {
      if (scope.pending > 0) return
      const failed = scope.takeError()
      if (settled && failed !== null) loop.report(failed.error)
      else if (failed !== null) reject(failed.error)
      else if (!settled) settle(task.outcome, resolve, reject)
      settled = true
      if (scope.size > 0) return
      loop.guests.delete(guest)
      tellEnded()
    })
  })
})

const neverRun = 'run was given an operation for its value, which nothing runs: write return yield*'
