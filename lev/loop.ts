import { captureContext, type Snapshot } from './async-context.js'
import type { Driver } from './drivers/driver.js'
import { Timers } from './timers.js'

/** What the loop runs when it is ready: a task, mostly. */
export interface Runnable {
  run(): void
}

/** What gathers output while tasks run and sends it when they pause: a stream. */
export interface Flushable {
  flushGathered(): void
}

/** Steps of one turn before events from outside are let in. */
const stepsPerTurn = 512

/** Where errors go that no task can be given. */
export type Report = (error: unknown) => void

/**
 * The ready queue and the timers of one world of tasks, on top of one driver. Knows nothing of generators.
 */
export class Loop {
  readonly driver: Driver
  readonly timers = new Timers()
  report: Report
  /** Called when the driver knows that nothing will ever happen again. */
  stuck: () => void = () => {}
  /** The async context that the loop was made in: what tasks run in that have none of their own. */
  readonly context: Snapshot = captureContext()
  #ready: Runnable[] = []
  #head = 0
  #later: Runnable[] = []
  #gathered: Flushable[] = []
  #turning = false
  #kicked = false
  #now: number

  constructor(driver: Driver, report: Report) {
    this.driver = driver
    this.report = report
    this.#now = driver.now()
    driver.start(
      () => this.turn(),
      () => this.stuck(),
    )
  }

  /** Seconds on the driver's clock, read every few steps of a turn. */
  get now(): number {
    return this.#turning ? this.#now : this.driver.now()
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

  /** Has `stream` flushed once the running step is over. */
  gather(stream: Flushable): void {
    this.#gathered.push(stream)
    this.#kick()
  }

  /**
   * Runs what is ready, then sends what was gathered. Drivers call it after each event; between turns nothing runs.
   */
  turn(): void {
    if (this.#turning) return
    this.#turning = true
    this.#now = this.driver.now()
    if (this.timers.next <= this.#now) this.timers.fire(this.#now)
    if (this.#gathered.length > 0) this.#flush()
    let steps = stepsPerTurn
    while (this.#head < this.#ready.length && steps-- > 0) {
      const runnable = this.#ready[this.#head++]
      runnable.run()
      // Steps may be long (a handler that computes), and deadlines are reckoned from this time.
      if ((steps & 15) === 0) this.#now = this.driver.now()
      if (this.#gathered.length > 0) this.#flush()
    }
    this.#dropRun()
    if (this.#later.length > 0) {
      for (const runnable of this.#later) this.#ready.push(runnable)
      this.#later.length = 0
    }
    this.#turning = false
    if (this.#ready.length > 0) this.driver.wakeSoon()
    this.driver.wakeAt(this.timers.next)
  }

  /** Takes what has run out of the queue. */
  #dropRun(): void {
    if (this.#head === this.#ready.length) this.#ready.length = 0
    else this.#ready.splice(0, this.#head)
    this.#head = 0
  }

  #flush(): void {
    // A flush may gather again only through an event, and those come later: the list does not grow while it is walked.
    for (const stream of this.#gathered) stream.flushGathered()
    this.#gathered.length = 0
  }

  /** Something became ready outside of a turn (a promise, a caller's callback): a turn follows, not inside their call. */
  #kick(): void {
    if (this.#turning || this.#kicked) return
    this.#kicked = true
    queueMicrotask(() => {
      this.#kicked = false
      this.turn()
    })
  }
}
