import { channel, now, timeout, TimeoutError, type Op } from '../../lev/index.js'

/** Options of `stop`. */
export interface StopOptions {
  /** Seconds to go on serving, not ready any more, before requests in flight are to finish. Default: the setting `pre_drain`. */
  readonly pre_drain?: number | null | undefined
  /** Seconds that requests in flight may take to finish. Default: the setting `drain`. */
  readonly drain?: number | null | undefined
}

/** What one call of `stop` asks for, in seconds. */
export interface StopRequest {
  /** How long to go on serving, not ready any more. */
  readonly pre_drain: number
  /** How long requests in flight may then take to finish. */
  readonly drain: number
}

/** Stops now, and waits for nothing. */
export const atOnce: StopRequest = { pre_drain: 0, drain: 0 }

/** When a server stops. Of several calls of `stop`, each counted from its arrival, the earliest times count. */
export class StopTimes {
  readonly #requests = channel<StopRequest>(Infinity)
  #drainAt = Infinity
  #endAt = Infinity

  add(request: StopRequest): void {
    this.#requests.trySend(request)
  }

  /** Waits until the server is to drain. */
  *untilDrain(): Op<void> {
    while (now() < this.#drainAt) yield* this.#next(this.#drainAt)
  }

  /** Waits until what is left is to be cancelled; even with no time at all, streams that end when the server drains can do so. */
  *untilEnd(): Op<void> {
    do yield* this.#next(this.#endAt)
    while (now() < this.#endAt)
  }

  /** Waits for another call of `stop`, at the latest until `time`. */
  *#next(time: number): Op<void> {
    try {
      const next = this.#requests.receive()
      const { pre_drain, drain } = (time === Infinity ? yield* next : yield* timeout(time - now(), next)) ?? atOnce
      const drainAt = now() + pre_drain
      this.#drainAt = Math.min(this.#drainAt, drainAt)
      this.#endAt = Math.min(this.#endAt, drainAt + drain)
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error
    }
  }
}

/** The options with the settings as defaults. @throws RangeError */
export function stopRequest({ pre_drain, drain }: StopOptions, settings: StopRequest): StopRequest {
  return { pre_drain: seconds('pre_drain', pre_drain ?? settings.pre_drain), drain: seconds('drain', drain ?? settings.drain) }
}

function seconds(name: string, value: number): number {
  if (typeof value === 'number' && value >= 0) return value
  throw new RangeError(`${name} must be a number of seconds, 0 or more; got ${String(value)}`)
}
