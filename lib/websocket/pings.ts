import { suspend, type Op } from '../../lev/index.js'

/** The pings of one WebSocket, numbered, and the tasks that wait for their pongs. */
export class Pings {
  #sent = 0
  /** The last pong: of which ping, and when it came. A pong may stand for all pings before it (RFC 6455 5.5.3). */
  #ponged = 0
  #pongedAt = 0
  /** By the ping that they wait for, which is one of each task. */
  readonly #waiting = new Map<number, () => void>()

  /** How many were sent: the number of the last. */
  get sent(): number {
    return this.#sent
  }

  /** What the next ping carries. */
  next(): Buffer {
    const content = Buffer.allocUnsafe(4)
    content.writeUInt32BE(++this.#sent)
    return content
  }

  /** A pong has come. One that stands for no ping that waits for it is passed over. */
  pong(content: Buffer, at: number): void {
    if (content.length !== 4) return
    const ping = content.readUInt32BE(0)
    if (ping <= this.#ponged || ping > this.#sent) return
    this.#pongedAt = at
    while (this.#ponged < ping) this.#waiting.get(++this.#ponged)?.()
  }

  /** No pong comes any more. */
  close(): void {
    for (const wake of this.#waiting.values()) wake()
  }

  /** When the pong of `ping` came, if it has. */
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
