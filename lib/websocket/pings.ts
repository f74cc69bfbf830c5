import { ClosedError, suspend, type Op } from '../../lev/index.js'
import { makesAwaitable } from '../../lev/internal.js'

/** The numbered pings of one WebSocket, and the tasks that wait for their pongs. */
export class Pings {
  #sent = 0
  /** The ping of the last pong, and when the pong arrived. A pong may also answer all earlier pings (RFC 6455 5.5.3). */
  #ponged = 0
  #pongedAt = 0
  /** Whether no more pongs will arrive. */
  closed = false
  /** The waiting tasks, by ping; each ping has at most one. */
  readonly #waiting = new Map<number, () => void>()

  /** How many pings were sent, which is the number of the last one. */
  get sent(): number {
    return this.#sent
  }

  /** The content of the next ping. */
  next(): Buffer {
    const content = Buffer.allocUnsafe(4)
    content.writeUInt32BE(++this.#sent)
    return content
  }

  /** Handles a pong. One that answers no outstanding ping is ignored. */
  pong(content: Buffer, at: number): void {
    if (content.length !== 4) return
    const ping = content.readUInt32BE(0)
    if (ping <= this.#ponged || ping > this.#sent) return
    this.#pongedAt = at
    while (this.#ponged < ping) this.#waiting.get(++this.#ponged)?.()
  }

  /** No more pongs will arrive: wakes all waiting tasks. */
  close(): void {
    this.closed = true
    for (const wake of this.#waiting.values()) wake()
  }

  /** When the pong of `ping` arrived; null if it has not. */
  pongOf(ping: number): number | null {
    return ping <= this.#ponged ? this.#pongedAt : null
  }

  /** Waits for the pong of `ping`, or for `close`. */
  *wait(ping: number): Op<void> {
    try {
      yield* suspend<undefined>((resume) => {
        this.#waiting.set(ping, () => resume(undefined))
      })
    } finally {
      this.#waiting.delete(ping)
    }
  }
}

/** Waits for the pong of `ping`, sent at `at`, and returns the seconds between. @throws ClosedError; also without `pings` */
export function* roundTrip(pings: Pings | null, ping: number, at: number): Op<number> {
  if (pings !== null && pings.pongOf(ping) === null && !pings.closed) yield* pings.wait(ping)
  const pongedAt = pings?.pongOf(ping) ?? null
  if (pongedAt === null) throw new ClosedError('the WebSocket is closed')
  return pongedAt - at
}
makesAwaitable(roundTrip)
