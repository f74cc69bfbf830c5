import { once } from 'node:events'
import { createServer, connect as connectTo, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { SecureFacts, Security } from '../../lev/drivers/driver.js'
import { secureFacts, wrapSecure } from '../../lev/drivers/node/secure.js'
import { listen } from '../support/listen.js'

/** A Duplex that hands each write to its other half in a later turn, as a virtual network does. */
class Half extends Duplex {
  other: Half | null = null
  #waiting: (() => void) | null = null

  override _read(): void {
    const go = this.#waiting
    this.#waiting = null
    go?.()
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const other = this.other
    setImmediate(() => {
      if (other === null || other.destroyed) return done()
      if (other.push(Buffer.from(chunk))) return done()
      other.#waiting = done
    })
  }

  override _final(done: () => void): void {
    setImmediate(() => {
      this.other?.push(null)
      done()
    })
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const other = this.other
    setImmediate(() => {
      if (other !== null && !other.destroyed && !other.readableEnded) other.push(null)
    })
    done(error)
  }
}

export function duplexPair(): [Duplex, Duplex] {
  const pair: [Half, Half] = [new Half(), new Half()]
  pair[0].other = pair[1]
  pair[1].other = pair[0]
  return pair
}

/** Two ends of a connection: server's side first. */
export type Wire = () => Promise<[Duplex, Duplex]>

export const tcpWire: Wire = async () => {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true })
  const port = await listen(server)
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
  const client = connectTo({ port, host: '127.0.0.1', allowHalfOpen: true })
  const ends: [Duplex, Duplex] = [await accepted, client]
  if (client.connecting) await once(client, 'connect')
  server.close()
  return ends
}

export const memoryWire: Wire = async () => duplexPair()

/** What a driver would see of a TLS socket, in order. */
export interface Seen {
  readonly socket: TLSSocket
  readonly events: string[]
  readonly errors: Error[]
  facts: SecureFacts | null
  /** All bytes that came; the socket flows from the start. */
  bytes: Buffer
  /** Settles when the handshake is done or has failed. */
  readonly settled: Promise<void>
  readonly closed: Promise<void>
}

/** Drives one end as a driver does: wraps, checks the facts at `secure`, notes every event. */
export function watch(socket: Duplex, security: Security, received: Buffer = Buffer.alloc(0)): Seen {
  const secured = wrapSecure(socket, security, received)
  const parts: Buffer[] = []
  let settle: () => void
  const seen: Seen = {
    socket: secured,
    events: [],
    errors: [],
    facts: null,
    get bytes() {
      return Buffer.concat(parts)
    },
    settled: new Promise((resolve) => (settle = resolve)),
    closed: new Promise((resolve) => secured.once('close', () => resolve())),
  }
  secured.on('secure', () => {
    seen.events.push('secure')
    try {
      seen.facts = secureFacts(secured, security)
    } catch (error) {
      secured.destroy(error as Error)
    }
    settle()
  })
  secured.on('data', (bytes: Buffer) => parts.push(bytes))
  secured.on('end', () => seen.events.push('end'))
  secured.on('error', (error) => {
    seen.events.push('error')
    seen.errors.push(error)
  })
  secured.on('close', () => {
    seen.events.push('close')
    settle()
  })
  return seen
}
