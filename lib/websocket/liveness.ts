import { now } from '../../lev/index.js'
import { webSocketLastWordsSeconds } from '../config/fixed-limits.js'
import type { WebSocketLimits } from './limits.js'

/** Open; closed by the peer while earlier messages are still to be handled; or closed by this side, without a response yet. */
export type Phase = 'open' | 'ending' | 'closing'

/** The action to take when a wait has timed out. */
type Verdict = 'wait' | 'ping' | 'finish' | 'give up' | 'dead'

/** Computes the ping, pong and close deadlines of one WebSocket. */
export class Liveness {
  readonly #limits: WebSocketLimits
  #activeAt = now()
  /** When the unanswered ping was sent; 0 if there is none. */
  #pingedAt = 0
  #endDeadline = Infinity
  #closeDeadline = Infinity

  constructor(limits: WebSocketLimits) {
    this.#limits = limits
  }

  /** Called when bytes have arrived. */
  onActivity(at: number): void {
    this.#activeAt = at
    this.#pingedAt = 0
  }

  /** The deadline for more input, in `lev.now()` seconds. */
  deadline(phase: Phase): number {
    const { ping_interval, pong_timeout, close_timeout } = this.#limits
    if (phase === 'ending') {
      if (this.#endDeadline === Infinity) this.#endDeadline = now() + webSocketLastWordsSeconds
      return this.#endDeadline
    }
    if (phase === 'closing') {
      if (this.#closeDeadline === Infinity) this.#closeDeadline = now() + close_timeout
      return this.#closeDeadline
    }
    if (this.#pingedAt > 0) return this.#pingedAt + pong_timeout
    return ping_interval > 0 ? this.#activeAt + ping_interval : Infinity
  }

  /** Called when a wait has ended, at its deadline, or earlier because `close` was called. */
  timedOut(phase: Phase, unsent: boolean): Verdict {
    if (phase === 'ending') return 'finish'
    if (phase === 'closing') {
      // The first call in this phase ends a wait with an earlier deadline: the peer's close frame has its own.
      return this.#closeDeadline !== Infinity && now() >= this.#closeDeadline ? 'give up' : 'wait'
    }
    // Input arrived during the wait without ending it.
    if (now() < this.deadline(phase)) return 'wait'
    const pinged = this.#pingedAt > 0
    // A ping behind a long message may not have left yet; a peer that reads nothing at all is cut off by the stream.
    if (pinged && !unsent) return 'dead'
    this.#pingedAt = now()
    return pinged ? 'wait' : 'ping'
  }
}
