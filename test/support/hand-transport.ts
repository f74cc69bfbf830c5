import * as lev from '../../lev/index.js'
import type { Op } from '../../lev/index.js'
import { runningTask } from '../../lev/core/task.js'
import type { Transport, TransportEvents } from '../../lev/drivers/driver.js'

/** A transport that a test plays by hand. */
export class HandTransport implements Transport {
  readonly local = { ip: '127.0.0.1', port: 1 }
  readonly remote = { ip: '127.0.0.1', port: 2 }
  readonly writeSize = 64 * 1024
  pending = 0
  paused = true
  readonly writes: string[] = []
  readonly calls: string[] = []
  events: TransportEvents | null = null

  start(events: TransportEvents): void {
    this.events = events
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }

  write(parts: readonly (Buffer | string)[]): void {
    this.writes.push(parts.map((part) => part.toString('latin1')).join(''))
    this.pending += parts.reduce((sum, part) => sum + part.length, 0)
  }

  end(): void {
    this.calls.push('end')
  }

  destroy(reset = false): void {
    this.calls.push(reset ? 'reset' : 'destroy')
  }

  secure(): Transport {
    return new HandTransport()
  }

  /** `count` bytes leave. */
  leave(count = this.pending): void {
    this.pending -= count
    this.events?.onProgress()
  }

  bring(text: string): void {
    this.events?.onChunk(Buffer.from(text))
  }
}

/** A stream on such a transport. */
export function* byHand(): Op<[lev.Stream, HandTransport]> {
  const transport = new HandTransport()
  return [new lev.Stream(runningTask('a test').loop, transport), transport]
}
