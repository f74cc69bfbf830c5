import { AddressError } from '../core/errors.js'
import type { Address, ConnectOptions, ListenerTransport, ListenOptions, Transport } from '../drivers/driver.js'
import { MemoryTransport, waitForTlsWork, type VirtualNetwork } from '../drivers/memory/memory-transport.js'
import { made } from '../core/forgotten.js'
import type { Loop } from '../core/loop.js'
import { suspend, type Op } from '../core/op.js'
import { Stream } from './stream.js'
import { channel } from '../core/sync.js'
import { runningTask } from '../core/task.js'

/** A bound address that accepts connections. */
export interface Listener {
  /** The address it listens on; if port 0 was requested, with the port that the system chose. */
  readonly address: Address
  /** Waits for the next connection; null once the listener is closed. */
  accept(): Op<Stream | null>
  /** Stops accepting and frees the port; connections that were not accepted yet are closed. Repeated calls do nothing. */
  close(): void
}

/**
 * Binds an address.
 * @throws AddressError, whose cause is the system's error
 */
export function listen(options: ListenOptions): Op<Listener> {
  return made(listening(options))
}

function* listening(options: ListenOptions): Op<Listener> {
  const { loop } = runningTask('lev.listen()')
  checkPort('listen on', options, 0)
  const arrivals = channel<Stream>(Infinity)
  const accept = (transport: Transport): void => {
    const stream = new Stream(loop, transport)
    try {
      arrivals.trySend(stream)
    } catch {
      // The listener was closed meanwhile.
      stream.close()
    }
  }
  const bound = yield* suspend<ListenerTransport>((resume, fail) => {
    let wanted = true
    loop.driver.listen(options, accept, (error, listener) => {
      if (!wanted) listener?.close()
      else if (listener !== null) resume(listener)
      else fail(new AddressError(`cannot listen on ${options.ip}:${options.port}: ${messageOf(error)}`, { cause: error }))
    })
    return () => (wanted = false)
  })
  return { address: bound.address, accept: () => arrivals.receive(), close }

  function close(): void {
    bound.close()
    arrivals.close()
    for (let stream = arrivals.tryReceive(); stream !== null; stream = arrivals.tryReceive()) stream.close()
  }
}

/**
 * Opens a connection. Cancellation abandons the attempt.
 * @throws AddressError, whose cause is the system's error
 */
export function connect(options: ConnectOptions): Op<Stream> {
  return made(connecting(options))
}

function* connecting(options: ConnectOptions): Op<Stream> {
  const { loop } = runningTask('lev.connect()')
  if ('ip' in options) checkPort('connect to', options, 1)
  const where = 'ip' in options ? `${options.ip}:${options.port}` : options.path
  const transport = yield* suspend<Transport>((resume, fail) =>
    loop.driver.connect(options, (error, connected) => {
      if (connected !== null) resume(connected)
      else fail(new AddressError(`cannot connect to ${where}: ${messageOf(error)}`, { cause: error }))
    }),
  )
  return new Stream(loop, transport)
}

const pipeEnd: Address = { ip: '127.0.0.1', port: 0 }

/** Two streams connected in memory, on any driver: each receives what the other sends. */
export function pipe(): [Stream, Stream] {
  const { loop } = runningTask('lev.pipe()')
  const [left, right] = MemoryTransport.pair(pipeNetwork(loop), pipeEnd, pipeEnd)
  return [new Stream(loop, left), new Stream(loop, right)]
}

function pipeNetwork(loop: Loop): VirtualNetwork {
  return {
    deliverLater: (deliver) => loop.enqueue({ run: deliver }),
    segment: () => Infinity,
    // Data is delivered within turns of the loop, so no turn may begin inside an event: node:tls mixes up its input when more
    // of it arrives while it works. Whatever becomes ready causes a turn by itself.
    beginEvent: () => {},
    tick: () => {},
    scheduleTick: () => {},
    letTlsRun: () => waitForTlsWork(loop.driver),
  }
}

function checkPort(what: string, { ip, port }: Address, lowest: number): void {
  if (Number.isInteger(port) && port >= lowest && port <= 65535) return
  const cause = new RangeError(`a port is a whole number from ${lowest} to 65535, got ${port}`)
  throw new AddressError(`cannot ${what} ${ip}:${port}: ${cause.message}`, { cause })
}

function messageOf(error: Error | null): string {
  // If a name has several addresses, node throws an AggregateError without a message: each address has its own reason.
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return error.errors[0].message
  return error === null ? 'unknown reason' : error.message
}
