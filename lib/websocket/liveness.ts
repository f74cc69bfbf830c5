import { now } from '../../lev/index.js'
import { webSocketLastWordsSeconds } from '../config/fixed-limits.js'
import type { WebSocketLimits } from './limits.js'

/** Open; closed by the other side, with messages before that to be dealt with; or closed by this side, unanswered. */
export type Phase = 'open' | 'ending' | 'closing'

/** What is to be done when nothing came in time. */
export type Verdict = 'wait' | 'ping' | 'settle' | 'give up' | 'dead'

/** Computes the ping, pong and close deadlines of one WebSocket. */
export class Liveness {
  readonly #limits: WebSocketLimits
  #activeAt = now()
  /** When a ping was sent that the other side owes an answer to; 0: it owes none. */
  #pingedAt = 0
  #endDeadline = Infinity
  #closeDeadline = Infinity

  constructor(limits: WebSocketLimits) {
    this.#limits = limits
  }

  /** Bytes arrived. */
  onActivity(at: number): void {
    this.#activeAt = at
    this.#pingedAt = 0
  }

  /** Until when to wait for more, in `lev.now()` seconds. */
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

  /** A wait ended: because its time was over, or early, since `close` was called. */
  timedOut(phase: Phase, unsent: boolean): Verdict {
    if (phase === 'ending') return 'settle'
    if (phase === 'closing') {
      // The first time here means that the wait was for something else: the answer has its own time.
      return this.#closeDeadline !== Infinity && now() >= this.#closeDeadline ? 'give up' : 'wait'
    }
    // Something came, since the wait began, that ended no wait.
    if (now() < this.deadline(phase)) return 'wait'
    const pinged = this.#pingedAt > 0
    // A ping that stands behind a long message has not left yet: a side that takes no byte is cut by the stream.
    if (pinged && !unsent) return 'dead'
    this.#pingedAt = now()
    return pinged ? 'wait' : 'ping'
  }
}
