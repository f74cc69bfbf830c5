import { Socket, type ConnectOpts, type Server, type SocketConstructorOpts } from 'node:net'
import { scratchBuffer } from '../../../io/scratch-buffer.js'
import { isOpen } from './gate.js'

/**
 * The buffer into which the system reads for all sockets in turn. Otherwise Node allocates 64 KiB for each read and frees it
 * afterwards, which costs more than copying the few bytes that arrived: 3 to 10 % of the CPU time of a small request.
 */
const shared = scratchBuffer(64 * 1024)

interface SharedReadOptions extends SocketConstructorOpts, ConnectOpts {
  readonly handle: unknown
  readonly pauseOnCreate: boolean
}

/** Node's internal handles of listeners and connections. */
interface ListenerHandle {
  onconnection: (this: unknown, status: number, connection: unknown) => void
}
interface ConnectionHandle {
  useUserBuffer(buffer: Buffer): void
  setNoDelay(on: boolean): void
}

/**
 * Calls `accept` with the handle of each connection of a listening server, before Node creates a socket for it. Node can read
 * into a given buffer (`onread`) for sockets that connect, but not for those that a server accepts; and creating Node's socket
 * and then a second one is a tenth of the cost of a connection that serves one request. If the gate is closed, the server
 * emits `connection` as usual.
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
 * Returns a function that creates a paused socket on a handle. Its bytes go to `receive`, which borrows them, and not to
 * `data` events. All sockets share one options object.
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
