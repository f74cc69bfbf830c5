import { createHash } from 'node:crypto'
import * as lev from '../../../lev/index.js'
import type { Op, Stream } from '../../../lev/index.js'
import { listening } from './listening.js'

/** A server that says what it is told to, for a test's clients. */
export interface RawServer {
  readonly port: number
  /** What each client sent so far, as latin1. */
  readonly received: string[]
  /** How many connections are open. */
  readonly open: () => number
}

/** Runs `serve` for each connection, once it has sent a head, while `story` runs. Connections are read to their end, and closed then. */
export function* rawServer<T>(serve: (stream: Stream, head: string) => Op<void>, story: (server: RawServer) => Op<T>): Op<T> {
  const received: string[] = []
  function* one(stream: Stream): Op<void> {
    const at = received.push('') - 1
    while (!received[at].includes('\r\n\r\n')) {
      const bytes = yield* stream.read()
      if (bytes === null) return
      received[at] += bytes.toString('latin1')
    }
    yield* lev.scope(function* (scope) {
      scope.background(() => serve(stream, received[at]))
      for (let bytes = yield* stream.read(); bytes !== null; bytes = yield* stream.read()) received[at] += bytes.toString('latin1')
    })
  }
  return yield* listening(one, (port, open) => story({ port, received, open }))
}

/** What a good server responds to the handshake in `head`, with other lines behind it. */
export function accepted(head: string, more = ''): string {
  const key = /^sec-websocket-key: (.*)\r$/im.exec(head)?.[1] ?? ''
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${more}\r\n`
}
