import { channel, now, scope, semaphore, sleep, timeout, TimeoutError, type Op, type Scope, type Semaphore } from '../../lev/index.js'
import { WorkerError } from '../errors.js'
import type { Logger } from '../log/logger.js'
import type { StopRequest } from '../server/stop-times.js'
import { Signal } from '../signal.js'

/** How long a worker must have been ready for its next crash to count as the first: then it is restarted at once. */
export const settledSeconds = 10
/** The longest wait before a worker is restarted. */
export const longestBackOff = 30
/** How much longer than its setting `drain` a worker may take to end. */
export const endSeconds = 5
/** How much earlier than its age says a worker may be replaced, as a share of it: workers that started together should not go together. */
const ageJitter = 0.1

/** A started worker, as the supervisor sees it. It calls `changed` of its `StartWorker` whenever a member changes. */
export interface Worker {
  /** Its process. */
  readonly pid: number
  readonly state: 'starting' | 'ready' | 'ended'
  /** How it has ended: `exit code 1`, `SIGKILL`. */
  readonly ending: string
  /** What it has ended with; 1 if there is no code. */
  readonly exitCode: number
  /** Why it asks to be replaced; null: it does not. */
  readonly worn: string | null
  /** Asks it to stop, as `stop` of a server; of several calls the earliest times count. */
  stop(request: StopRequest): void
  /** Asks it to drain, in so many seconds: another worker serves in its place, and the service is as ready as before. */
  retire(drain: number): void
  /** Ends it immediately. */
  kill(): void
}

/** Starts worker `number`, and calls `changed` after each change of it. */
export type StartWorker = (number: number, changed: () => void) => Worker

/** What the supervisor goes by. */
export interface SupervisorRules {
  /** How many workers. */
  readonly count: number
  /** Seconds in which a worker must be ready. */
  readonly readyWithin: number
  /** Seconds after which a worker is replaced; null: never. */
  readonly age: number | null
  /** Seconds that a worker that is replaced may take to finish its requests. */
  drain(): number
  /** From 0 to 1. */
  random(): number
}

/**
 * What a program with workers is doing, for those who tell of it: ready, at first and after each roll; `stopping`, where it goes on to
 * serve for `pre_drain` seconds; then `draining`.
 */
export type GroupState = 'ready' | 'rolling' | 'stopping' | 'draining'

/** The place of one worker, which passes on to its successors. */
interface Slot {
  readonly number: number
  /** Null: it is being started, or waits for that. */
  worker: Worker | null
  /** When it became ready. */
  since: number
  /** When it is to be replaced because of its age. */
  expires: number
  /** Until when it is not replaced although it asks for it: limits that are too low must not start processes without end. */
  lasts: number
  /** Whether a replacement was asked for and has not been tried yet. */
  isQueued: boolean
  /** How often in a row it did not run well. */
  failures: number
  /** Held while a worker is started for the slot. */
  readonly starting: Semaphore
}

/** Workers to be replaced, one after the other. */
interface Replacement {
  readonly slots: readonly Slot[]
  readonly reason: string
  done(error: WorkerError | null): void
}

/** Keeps a number of workers running: starts, restarts, replaces and ends them. */
export class Supervisor {
  readonly #rules: SupervisorRules
  readonly #begin: StartWorker
  readonly #logger: Logger
  readonly #tell: (state: GroupState) => void
  readonly #slots: Slot[]
  /** All processes that have not ended. */
  readonly #alive = new Set<Worker>()
  /** Told when any worker, or which of them counts, has changed. */
  readonly #changed = new Signal()
  readonly #replacements = channel<Replacement>(Infinity)
  /** The roll that has not begun yet; null: there is none. */
  #nextRoll: Promise<void> | null = null
  /** Calls of `stop` that the workers do not know of yet. */
  #stops: StopRequest[] = []
  #isStopping = false

  constructor(rules: SupervisorRules, start: StartWorker, logger: Logger, tell: (state: GroupState) => void = () => {}) {
    this.#rules = rules
    this.#begin = start
    this.#logger = logger
    this.#tell = tell
    this.#slots = Array.from({ length: rules.count }, (_, index) => (
      { number: index + 1, worker: null, since: 0, expires: Infinity, lasts: 0, isQueued: false, failures: 0, starting: semaphore(1) }
    ))
  }

  /** Ends after `stop`, when every worker has ended. @throws WorkerError if the first one ended, or was not ready in time */
  *run(): Op<void> {
    try {
      yield* scope((tasks) => this.#untilStopped(tasks))
      this.#tell('stopping')
      yield* this.#stopAll()
    } finally {
      this.#isStopping = true
      for (let left = this.#replacements.tryReceive(); left !== null; left = this.#replacements.tryReceive()) left.done(stopping())
      this.kill()
    }
  }

  /**
   * Replaces all workers, one after the other. A call during a roll asks for one more, which all such calls share.
   * @returns a promise that rejects with WorkerError if a new worker was not ready: the old ones that are left stay
   */
  roll(): Promise<void> {
    if (this.#isStopping) return Promise.reject(stopping())
    this.#nextRoll ??= new Promise((resolve, reject) => {
      this.#replacements.trySend({ slots: this.#slots, reason: 'rolling', done: (error) => error === null ? resolve() : reject(error) })
    })
    this.#nextRoll.catch(() => {})
    return this.#nextRoll
  }

  /** Stops all workers; of several calls the earliest times count. */
  stop(request: StopRequest): void {
    this.#stops.push(request)
    this.#changed.tell()
  }

  /** Ends all workers at once. */
  kill(): void {
    for (const worker of this.#alive) worker.kill()
  }

  *#untilStopped(tasks: Scope): Op<void> {
    tasks.spawn(() => this.#manage(tasks))
    yield* this.#until(() => this.#stops.length > 0)
    tasks.cancel('drain')
  }

  *#manage(tasks: Scope): Op<void> {
    const slots = this.#slots
    // The first alone: if the program cannot start, it says so once.
    if (slots[0] !== undefined) yield* this.#startFirst(slots[0])
    for (const slot of slots) tasks.spawn(() => this.#keep(slot))
    yield* this.#until(() => slots.every(({ worker, failures }) => worker !== null || failures > 0))
    this.#tell('ready')
    yield* this.#replace()
  }

  *#startFirst(slot: Slot): Op<void> {
    const worker = this.#start(slot)
    const fault = yield* this.#untilReady(worker)
    if (fault !== null) throw new WorkerError(`the program did not start: its first worker ${fault}`, worker.state === 'ended' ? worker.exitCode : 1)
    this.#put(slot, worker)
  }

  /** Sees to it that the slot has a worker. */
  *#keep(slot: Slot): Op<void> {
    for (;;) {
      if (slot.worker === null) yield* slot.starting.with(this.#restart(slot))
      else if (slot.worker.state === 'ended') yield* this.#backOff(slot, slot.worker)
      else yield* this.#untilWorn(slot, slot.worker)
    }
  }

  *#restart(slot: Slot): Op<void> {
    // A roll may have filled the slot.
    if (slot.worker !== null) return
    const worker = this.#start(slot)
    const fault = yield* this.#untilReady(worker)
    if (fault === null) return this.#put(slot, worker)
    this.#logger.error({ worker: slot.number, pid: worker.pid }, `Worker ${fault}`)
    yield* this.#retire(worker)
    yield* this.#wait(slot)
  }

  *#backOff(slot: Slot, worker: Worker): Op<void> {
    slot.worker = null
    this.#logger.error({ worker: slot.number, pid: worker.pid }, `Worker ended: ${worker.ending}`)
    if (now() - slot.since >= settledSeconds) slot.failures = 0
    yield* this.#wait(slot)
  }

  /** Waits until the next start; a roll that fills the slot meanwhile is not waited for. */
  *#wait(slot: Slot): Op<void> {
    const seconds = slot.failures === 0 ? 0 : Math.min(longestBackOff, 2 ** (slot.failures - 1))
    slot.failures++
    this.#changed.tell()
    if (seconds > 0) this.#logger.warn({ worker: slot.number }, `Worker restarts in ${seconds} s`)
    yield* sleep(seconds)
  }

  /** Waits until the worker has ended or is another one, and asks for its replacement when it is due. */
  *#untilWorn(slot: Slot, worker: Worker): Op<void> {
    while (slot.worker === worker && worker.state === 'ready') {
      const due = worker.worn === null ? slot.expires : slot.lasts
      if (now() >= due && !slot.isQueued) this.#recycle(slot, worker.worn ?? 'age')
      yield* this.#untilChange(slot.isQueued ? Infinity : due)
    }
  }

  #recycle(slot: Slot, reason: string): void {
    slot.isQueued = true
    this.#replacements.trySend({ slots: [slot], reason, done: () => {} })
  }

  /** Replaces workers as it is asked for, never two at a time. */
  *#replace(): Op<void> {
    for (;;) {
      const asked = yield* this.#replacements.receive()
      if (asked === null) return
      let error: WorkerError | null = stopping()
      try {
        error = yield* this.#replaceAll(asked)
      } finally {
        asked.done(error)
      }
    }
  }

  *#replaceAll({ slots, reason }: Replacement): Op<WorkerError | null> {
    const isRoll = slots === this.#slots
    if (isRoll) this.#nextRoll = null
    if (isRoll) this.#tell('rolling')
    let error: WorkerError | null = null
    for (const slot of slots) {
      const { leaves, fault } = yield* slot.starting.with(this.#replaceOne(slot, reason))
      // After the lock is released: what becomes of the new worker meanwhile is seen to.
      if (leaves !== null) yield* this.#retire(leaves)
      if (fault === null) continue
      error = new WorkerError(`The workers were not replaced, the old ones stay: ${fault}`)
      break
    }
    if (error !== null) this.#logger.error(error.message)
    else if (isRoll) this.#logger.info('Rolled: all workers are new')
    if (isRoll) this.#tell('ready')
    return error
  }

  /** Starts a worker for the slot. @returns the worker that is to leave: the old one or, if there is a fault, the new one */
  *#replaceOne(slot: Slot, reason: string): Op<{ readonly leaves: Worker | null; readonly fault: string | null }> {
    const { number, worker: old } = slot
    this.#logger.info({ worker: number, ...(old === null ? {} : { pid: old.pid }) }, `Replacing worker: ${reason}`)
    const worker = this.#start(slot)
    const fault = yield* this.#untilReady(worker)
    const leaves = fault === null ? slot.worker : worker
    if (fault === null) this.#put(slot, worker)
    else this.#putOff(slot)
    slot.isQueued = false
    this.#changed.tell()
    return { leaves, fault: fault === null ? null : `the new worker ${number} (process ${worker.pid}) ${fault}` }
  }

  #start(slot: Slot): Worker {
    const worker = this.#begin(slot.number, () => {
      if (worker.state === 'ended') this.#alive.delete(worker)
      this.#changed.tell()
    })
    this.#alive.add(worker)
    return worker
  }

  #put(slot: Slot, worker: Worker): void {
    slot.worker = worker
    slot.since = now()
    slot.lasts = now() + settledSeconds
    const { age, random } = this.#rules
    slot.expires = age === null ? Infinity : now() + age * (1 - ageJitter * random())
    this.#logger.info({ worker: slot.number, pid: worker.pid }, 'Worker started')
    this.#changed.tell()
  }

  /** After a replacement that failed, the next one is tried later. */
  #putOff(slot: Slot): void {
    slot.lasts = now() + longestBackOff
    slot.expires = Math.max(slot.expires, slot.lasts)
  }

  /** Why the worker is not ready, as a predicate; null: it is. */
  *#untilReady(worker: Worker): Op<string | null> {
    const { readyWithin } = this.#rules
    if (!(yield* this.#until(() => worker.state !== 'starting', now() + readyWithin))) return `was not ready within ${readyWithin} s`
    return worker.state === 'ready' ? null : `ended before it was ready: ${worker.ending}`
  }

  /** Drains a worker whose successor is there. */
  *#retire(worker: Worker): Op<void> {
    const drain = this.#rules.drain()
    worker.retire(drain)
    if (yield* this.#until(() => worker.state === 'ended', now() + drain + endSeconds)) return
    this.#logger.error({ pid: worker.pid }, 'Worker did not end in time and was killed')
    worker.kill()
    yield* this.#until(() => worker.state === 'ended')
  }

  /** Stops all workers, those too that are starting or being replaced. */
  *#stopAll(): Op<void> {
    const alive = this.#alive
    let drainAt = Infinity
    let killAt = Infinity
    let isDraining = false
    while (alive.size > 0) {
      for (const request of this.#stops.splice(0)) {
        drainAt = Math.min(drainAt, now() + request.pre_drain)
        killAt = Math.min(killAt, now() + request.pre_drain + request.drain + endSeconds)
        for (const worker of alive) worker.stop(request)
      }
      if (!isDraining && now() >= drainAt) {
        isDraining = true
        this.#tell('draining')
      }
      if (now() >= killAt) {
        this.#logger.error('Workers did not end in time and were killed')
        this.kill()
        return void (yield* this.#until(() => alive.size === 0))
      }
      yield* this.#untilChange(isDraining ? killAt : drainAt)
    }
  }

  /** Whether it is so; waits until then, at the latest until `time`. */
  *#until(isSo: () => boolean, time = Infinity): Op<boolean> {
    while (!isSo()) {
      if (now() >= time) return false
      yield* this.#untilChange(time)
    }
    return true
  }

  /** Waits for any change, at the latest until `time`. */
  *#untilChange(time: number): Op<void> {
    try {
      yield* timeout(time - now(), this.#changed.wait())
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error
    }
  }
}

function stopping(): WorkerError {
  return new WorkerError('the program is stopping')
}
