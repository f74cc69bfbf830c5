import { Socket, type ConnectOpts, type Server, type SocketConstructorOpts } from 'node:net'
import { isOpen } from './gate.js'

/**
 * What the system reads into, for all sockets in turn. Node otherwise sets 64 KiB aside for each read and gives the memory
 * back afterwards, which costs more than copying the few bytes that have come: 3 to 10 % of the CPU time of a small request.
 */
const shared = Buffer.allocUnsafeSlow(64 * 1024)

interface SharedReadOptions extends SocketConstructorOpts, ConnectOpts {
  readonly handle: unknown
  readonly pauseOnCreate: boolean
}

/** Node's own streams, of the system's listeners and connections. */
interface ListenerHandle {
  onconnection: (this: unknown, status: number, connection: unknown) => void
}
interface ConnectionHandle {
  useUserBuffer(buffer: Buffer): void
  setNoDelay(on: boolean): void
}

/**
 * Has `accept` called for each connection of a server that listens, before Node makes a socket of it. Node offers to read into
 * a buffer that one brings (`onread`) for sockets that connect, but not for those that a server accepts; and to make its
 * socket and then another is a tenth of what a connection for one request costs. Where the gate is closed, the server
 * goes on emitting `connection`.
 */
export function acceptHandles(server: Server, accept: (handle: object) => void): void {
  const listener: unknown = Reflect.get(server, '_handle')
  if (!isOpen('sharedRead') || !isListener(listener)) return
  const { onconnection } = listener
  listener.onconnection = function (status, connection) {
    if (status !== 0 || !isConnection(connection)) return onconnection.call(this, status, connection)
    connection.setNoDelay(true)
    accept(connection)
  }
}

/**
 * Makes paused sockets of Node's streams, whose bytes `receive` borrows, in place of `data` events.
 * All share one set of options.
 */
export function sharedSockets(receive: (socket: unknown, buffer: Buffer, size: number) => void): (handle: object) => Socket {
  const options: Omit<SharedReadOptions, 'handle'> = {
    allowHalfOpen: true,
    pauseOnCreate: true,
    onread: {
      buffer: shared,
      // Node calls it as a method of the socket.
      callback(this: unknown, size: number) {
        receive(this, shared, size)
        return true
      },
    },
  }
  return (handle) => {
    const own: SharedReadOptions = { ...options, handle }
    return new Socket(own)
  }
}

function isListener(value: unknown): value is ListenerHandle {
  return typeof value === 'object' && value !== null && 'onconnection' in value && typeof value.onconnection === 'function'
}

function isConnection(value: unknown): value is ConnectionHandle {
  return typeof value === 'object' && value !== null && 'useUserBuffer' in value && 'setNoDelay' in value
}
