import { captureContext, copyContext, type Snapshot } from './async-context.js'
import type { Driver } from '../drivers/driver.js'
import { messageOf } from './foreign.js'
import { Ring } from './ring.js'
import { Timers } from './timers.js'

/** Something that the loop can run, usually a task. */
export interface Runnable {
  run(): void
}

/** A stream, which gathers output while tasks run and sends it when they pause. */
export interface Flushable {
  flushGathered(): void
}

/** A run that shares the loop of another run and ends with it. */
export interface Guest {
  cancel(): void
  /** Resolves once it has ended. */
  readonly ended: Promise<void>
}

/** Maximum number of steps of one turn, and of seconds, before external events are let in. */
const stepsPerTurn = 512
const secondsPerTurn = 0.01

/** Seconds that output may wait for other steps of the turn, so that their output leaves together. */
const secondsGathering = 0.001

/** Consecutive turns that promises may cause before external events are let in. */
const turnsByPromises = 256

/** Receives errors that cannot be delivered to any task. */
export type Report = (error: unknown) => void

/**
 * The ready queue and the timers of one world of tasks, on one driver. Knows nothing of generators.
 */
export class Loop {
  readonly driver: Driver
  readonly timers = new Timers(() => {
    // A turn sets the driver's wake-up time at its end.
    if (!this.#turning && !this.#kicked) this.#wakeForTimers()
  })
  /** Called when the driver knows that nothing will ever happen again. */
  readonly whenDeadlocked = new Set<() => void>()
  /** The runs that share this loop with the run that it was created for. */
  readonly guests = new Set<Guest>()
  /** Whether the run that the loop was created for is over; then no other run may begin. */
  isOver = false
  /** The async context in which the loop was created; tasks without a context of their own run in it. */
  readonly context: Snapshot = captureContext()
  readonly #ready = new Ring<Runnable>()
  /** Runnables that let the ready ones go first. */
  readonly #later = new Ring<Runnable>()
  #gathered: Flushable[] = []
  readonly #report: Report
  /** Whether turns run in the context in which the loop was created, whatever causes them. */
  readonly #ownContext: boolean
  #turning = false
  /** Whether a turn is certain to follow: a driver event is in progress, or a microtask is queued. */
  #kicked = false
  #turnsByPromises = 0
  #now: number

  constructor(driver: Driver, report: Report, ownContext = false) {
    this.driver = driver
    this.#report = report
    this.#ownContext = ownContext
    this.#now = driver.now()
    driver.start({
      beginEvent: () => {
        this.#kicked = true
      },
      tick: () => {
        this.#turnsByPromises = 0
        this.#begin()
      },
      fault: (error) => this.report(error),
      deadlocked: () => {
        for (const tell of this.whenDeadlocked) tell()
      },
    })
  }

  /** Seconds on the driver's clock, read every few steps of a turn. */
  get now(): number {
    return this.#turning ? this.#now : this.driver.now()
  }

  /** Reports an error that cannot be delivered to any task. Never throws. */
  report(error: unknown): void {
    try {
      this.#report(error)
    } catch (fault) {
      console.error('lev: could not report an error:', messageOf(error), messageOf(fault))
    }
  }

  /** All events up to this time have been delivered, so deadlines up to it have passed. */
  get heardUntil(): number {
    return this.driver.heardUntil()
  }

  /** Runs `runnable` after everything that is already ready. */
  enqueue(runnable: Runnable): void {
    this.#ready.push(runnable)
    this.#kick()
  }

  /** Runs `runnable` in a later turn, after external events were let in, so that a busy task does not starve the others. */
  enqueueLater(runnable: Runnable): void {
    this.#later.push(runnable)
    this.#kick()
  }

  /** Schedules a flush of `stream` after the running step, and perhaps a few more. */
  gather(stream: Flushable): void {
    this.#gathered.push(stream)
    this.#kick()
  }

  /**
   * Runs the ready queue, and flushes the gathered output every few steps: many writes in a row cost less than one after each
   * step (3 to 10 % of the CPU time of a small request). Drivers call it after events; between turns nothing runs.
   */
  tick(): void {
    if (this.#turning) return
    this.#turning = true
    this.#now = this.driver.now()
    const half = this.#now + secondsPerTurn / 2
    const end = this.#now + secondsPerTurn
    let flushAt = this.#now + secondsGathering
    this.#fireTimers()
    this.#flush()
    // Runnables that are deferred during this turn run in a later one.
    let later = this.#later.size
    const waited = later
    for (let steps = stepsPerTurn; steps > 0; steps--) {
      // Ready ones go first, but in the second half of a turn they alternate with deferred ones, so as not to starve them.
      const first = later === 0 || (steps & 1) !== 0 || (steps > stepsPerTurn / 2 && this.#now < half)
      const runnable = (first ? this.#ready.take() : null) ?? (later-- > 0 ? this.#later.take() : null)
      if (runnable === null) break
      this.#step(runnable)
      const someSteps = (steps & 7) === 0
      if (!someSteps && this.#gathered.length === 0) continue
      // A step may be long (a handler that computes).
      this.#now = this.driver.now()
      if (someSteps || this.#now >= flushAt) {
        this.#flush()
        flushAt = this.#now + secondsGathering
      }
      if (this.#now >= end) break
    }
    // At least one deferred runnable runs in each turn, so that none waits for ever.
    if (waited > 0 && later === waited) this.#step(this.#later.take())
    this.#flush()
    this.#turning = false
    this.#kicked = false
    if (this.#ready.size > 0 || this.#later.size > 0) this.driver.wakeSoon()
    this.#wakeForTimers()
  }

  #wakeForTimers(): void {
    this.driver.wakeAt(this.timers.next, this.timers.keeps)
  }

  /** Runnables catch their own errors; should one get through anyway, it must not stop the others. */
  #step(runnable: Runnable | null): void {
    try {
      runnable?.run()
    } catch (error) {
      this.report(error)
    }
  }

  /** Fires the timers that are due, but none ahead of an earlier event that has not been delivered yet. */
  #fireTimers(): void {
    const until = this.heardUntil
    while (this.timers.next <= until) {
      try {
        this.timers.fire(until)
      } catch (error) {
        this.report(error)
      }
    }
  }

  #flush(): void {
    if (this.#gathered.length === 0) return
    // Only an event can gather again after a flush, and events come later: the list does not grow during this loop.
    for (const stream of this.#gathered) {
      try {
        stream.flushGathered()
      } catch (error) {
        this.report(error)
      }
    }
    this.#gathered.length = 0
  }

  /** Something became ready outside of a turn (a promise, a callback): schedules a turn instead of running it inside that call. */
  #kick(): void {
    if (this.#turning || this.#kicked) return
    this.#kicked = true
    // Microtasks run before any event is let in, so a task that waits for one promise after another could starve the events.
    if (this.#turnsByPromises++ < turnsByPromises) queueMicrotask(this.#onMicrotask)
    else this.driver.wakeSoon()
  }

  readonly #onMicrotask = (): void => {
    if (this.#kicked) this.#begin()
  }

  #begin(): void {
    // In a copy: what a task enters must not change the context that others begin with.
    if (this.#ownContext) copyContext(this.context)(() => this.tick())
    else this.tick()
  }
}
