import { AddressError } from '../core/errors.js'
import type { Address, ConnectOptions, ListenerTransport, ListenOptions, Transport } from '../drivers/driver.js'
import { MemoryTransport, waitForTlsWork, type VirtualNetwork } from '../drivers/memory/memory-transport.js'
import { makesAwaitable, type Awaitable } from '../core/operation.js'
import { made } from '../core/forgotten.js'
import type { Loop } from '../core/loop.js'
import { suspend, type Op } from '../core/op.js'
import { addressText } from '../drivers/address-text.js'
import { Stream } from './stream.js'
import { channel } from '../core/sync.js'
import { runningTask } from '../core/task.js'

/** A bound address that accepts connections. */
export interface Listener {
  /** The address it listens on; if port 0 was requested, with the port that the system chose. */
  readonly address: Address
  /** Waits for the next connection; null once the listener is closed. */
  accept(): Awaitable<Stream | null>
  /** Stops accepting and frees the address; connections that were not accepted yet are closed. Repeated calls do nothing. */
  close(): void
}

/**
 * Binds an address.
 * @throws AddressError, whose cause is the system's error
 */
export function listen(options: ListenOptions): Awaitable<Listener> {
  return made(listening(options))
}

function* listening(options: ListenOptions): Op<Listener> {
  const { loop } = runningTask('lev.listen()')
  check('listen on', options, 0)
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
      else fail(new AddressError(`cannot listen on ${addressText(options)}: ${messageOf(error)}`, { cause: error }))
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
export function connect(options: ConnectOptions): Awaitable<Stream> {
  return made(connecting(options))
}

function* connecting(options: ConnectOptions): Op<Stream> {
  const { loop } = runningTask('lev.connect()')
  check('connect to', options, 1)
  const transport = yield* suspend<Transport>((resume, fail) =>
    loop.driver.connect(options, (error, connected) => {
      if (connected !== null) resume(connected)
      else fail(new AddressError(`cannot connect to ${addressText(options)}: ${messageOf(error)}`, { cause: error }))
    }),
  )
  return new Stream(loop, transport)
}

makesAwaitable(listening, connecting)

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

function check(what: string, where: ListenOptions | ConnectOptions, lowestPort: number): void {
  const fault = faultOf(where, lowestPort)
  if (fault !== null) throw new AddressError(`cannot ${what} ${addressText(where)}: ${fault}`, { cause: new RangeError(fault) })
}

function faultOf(where: ListenOptions | ConnectOptions, lowestPort: number): string | null {
  if (where.path !== undefined) return pathFault(where.path)
  const [what, value, lowest, highest] = 'fd' in where && where.fd !== undefined
    ? ['file descriptor', where.fd, 0, 2 ** 31 - 1] as const
    : ['port', where.port, lowestPort, 65535] as const
  if (Number.isInteger(value) && value >= lowest && value <= highest) return null
  return `a ${what} is a whole number from ${lowest} to ${highest}, got ${value}`
}

/** Most bytes of a Unix socket's path; on Windows the path is that of a named pipe. */
const mostPathBytes = process.platform === 'linux' ? 107 : process.platform === 'win32' ? 256 : 103

/** Node 20 fills up an abstract name with zero bytes, so that other programs do not find it. */
const hasAbstractNames = process.platform === 'linux' && Number(process.versions.node.split('.')[0]) >= 22

/** Node 20 cuts off the end of a longer path, and what follows a zero byte: it would use another file. */
function pathFault(path: unknown): string | null {
  if (typeof path !== 'string') return 'the path is not a string'
  if (path === '') return 'the path is empty'
  if (path.includes('\0', 1) || path === '\0') return 'the path contains a zero byte'
  if (path.startsWith('\0') && !hasAbstractNames) return 'abstract names need Linux and Node.js 22 or newer'
  return Buffer.byteLength(path) > mostPathBytes ? `the path is longer than ${mostPathBytes} bytes` : null
}

function messageOf(error: Error | null): string {
  // If a name has several addresses, node throws an AggregateError without a message: each address has its own reason.
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return error.errors[0].message
  return error === null ? 'unknown reason' : error.message
}
