import { captureContext, type Snapshot } from './async-context.js'
import type { Driver } from '../drivers/driver.js'
import { messageOf } from './foreign.js'
import { Ring } from './ring.js'
import { Timers } from './timers.js'

/** What the loop runs when it is ready: a task, mostly. */
export interface Runnable {
  run(): void
}

/** What gathers output while tasks run and sends it when they pause: a stream. */
export interface Flushable {
  flushGathered(): void
}

/** A run that ends together with another. */
export interface Guest {
  cancel(): void
  /** Resolves once it has ended. */
  readonly ended: Promise<void>
}

/** Steps of one turn, and seconds that it goes on for, before events from outside are let in. */
const stepsPerTurn = 512
const secondsPerTurn = 0.01

/** Seconds that output may wait for other steps of its turn, so as to leave together with theirs. */
const secondsGathering = 0.001

/** Turns that promises may bring about, one after another, before events from outside are let in. */
const turnsByPromises = 256

/** Where errors go that no task can be given. */
export type Report = (error: unknown) => void

/**
 * The ready queue and the timers of one world of tasks, on top of one driver. Knows nothing of generators.
 */
export class Loop {
  readonly driver: Driver
  readonly timers = new Timers(() => {
    // A turn tells the driver at its end.
    if (!this.#turning && !this.#kicked) this.#wakeForTimers()
  })
  /** Told when the driver knows that nothing will ever happen again. */
  readonly whenDeadlocked = new Set<() => void>()
  /** The runs that share the loop with the one that it was made for. */
  readonly guests = new Set<Guest>()
  /** Whether the run that the loop was made for is over: no other begins. */
  isOver = false
  /** The async context that the loop was made in: what tasks run in that have none of their own. */
  readonly context: Snapshot = captureContext()
  readonly #ready = new Ring<Runnable>()
  /** Those that let the others go first. */
  readonly #later = new Ring<Runnable>()
  #gathered: Flushable[] = []
  readonly #report: Report
  #turning = false
  /** Whether a turn is sure to follow: the driver's event is under way, or a microtask is queued. */
  #kicked = false
  #turnsByPromises = 0
  #now: number

  constructor(driver: Driver, report: Report) {
    this.driver = driver
    this.#report = report
    this.#now = driver.now()
    driver.start({
      beginEvent: () => {
        this.#kicked = true
      },
      tick: () => {
        this.#turnsByPromises = 0
        this.tick()
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

  /** Takes an error that no task can be given. Never throws. */
  report(error: unknown): void {
    try {
      this.#report(error)
    } catch (fault) {
      console.error('lev: could not report an error:', messageOf(error), messageOf(fault))
    }
  }

  /** Up to when all events were told: deadlines up to it are over. */
  get heardUntil(): number {
    return this.driver.heardUntil()
  }

  /** Runs `runnable` after all that is ready already. */
  enqueue(runnable: Runnable): void {
    this.#ready.push(runnable)
    this.#kick()
  }

  /** Runs `runnable` in a later turn, after events from outside were let in: how a busy task lets the others live. */
  enqueueLater(runnable: Runnable): void {
    this.#later.push(runnable)
    this.#kick()
  }

  /** Has `stream` flushed once the running step, and perhaps a few more, are over. */
  gather(stream: Flushable): void {
    this.#gathered.push(stream)
    this.#kick()
  }

  /**
   * Runs what is ready, and sends what was gathered, after every few steps: many writes in a row cost less than each after
   * its step (3 to 10 % of the CPU time of a small request). Drivers call it after events; between turns nothing runs.
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
    // What is put off during this turn is for a later one.
    let later = this.#later.size
    const waited = later
    for (let steps = stepsPerTurn; steps > 0; steps--) {
      // What is ready goes first, but in the second half of a turn they take turns: tasks that are always ready must not take all of it.
      const first = later === 0 || (steps & 1) !== 0 || (steps > stepsPerTurn / 2 && this.#now < half)
      const runnable = (first ? this.#ready.take() : null) ?? (later-- > 0 ? this.#later.take() : null)
      if (runnable === null) break
      this.#step(runnable)
      const someSteps = (steps & 7) === 0
      if (!someSteps && this.#gathered.length === 0) continue
      // Steps may be long (a handler that computes).
      this.#now = this.driver.now()
      if (someSteps || this.#now >= flushAt) {
        this.#flush()
        flushAt = this.#now + secondsGathering
      }
      if (this.#now >= end) break
    }
    // They must not wait for ever, either.
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

  /** What runs here catches its own errors; if one came through for all that, the others must not suffer. */
  #step(runnable: Runnable | null): void {
    try {
      runnable?.run()
    } catch (error) {
      this.report(error)
    }
  }

  /** Fires what is due, but not ahead of events that came before it and have not been told. */
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
    // A flush may gather again only through an event, and those come later: the list does not grow while it is walked.
    for (const stream of this.#gathered) {
      try {
        stream.flushGathered()
      } catch (error) {
        this.report(error)
      }
    }
    this.#gathered.length = 0
  }

  /** Something became ready outside of a turn (a promise, a caller's callback): a turn follows, not inside their call. */
  #kick(): void {
    if (this.#turning || this.#kicked) return
    this.#kicked = true
    // Promises are settled before anything else is let in: a task that waits for one after the other must not go on for ever.
    if (this.#turnsByPromises++ < turnsByPromises) queueMicrotask(this.#onMicrotask)
    else this.driver.wakeSoon()
  }

  readonly #onMicrotask = (): void => {
    if (this.#kicked) this.tick()
  }
}
