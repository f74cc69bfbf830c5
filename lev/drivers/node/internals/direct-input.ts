import type { Socket } from 'node:net'
import { isOpen } from './gate.js'

/** Node's internal handle of a socket: the system's stream, or TLS over it. */
interface StreamHandle {
  /** Called by Node with bytes that have arrived; without bytes at the end and after a fault. */
  onread: (this: unknown, bytes?: ArrayBuffer) => unknown
  /** Whether reading was started; if not, Node starts it. */
  reading: boolean
  /** Total bytes read so far. */
  readonly bytesRead: number
  readStart(): number
  readStop(): number
}

/** Receives the bytes that arrive. */
export interface Reader {
  receive(bytes: Buffer): void
}

/** Also set to false after an unexpected read. */
let open = isOpen('directInput')

/**
 * Reads the decrypted bytes of a TLS socket directly, without the queue, the event and the tick that stream.Readable needs for
 * each read: 5 % of the CPU time of a small request. The end still comes as the socket's `end` event, so the socket must flow.
 */
export class DirectInput {
  readonly #socket: Socket
  readonly #handle: StreamHandle
  /** Whether Node's own reader has taken over again. */
  #left = false

  private constructor(socket: Socket, handle: StreamHandle, reader: Reader) {
    this.#socket = socket
    this.#handle = handle
    const { onread, bytesRead } = handle
    let proven = false
    const read = (bytes: ArrayBuffer): boolean => {
      // An ArrayBuffer larger than this read is shared, and holds the bytes of other connections.
      proven ||= !this.#left && bytes.byteLength === handle.bytesRead - bytesRead
      if (proven) reader.receive(Buffer.from(bytes))
      else this.#leave(reader)
      return proven
    }
    handle.onread = function (bytes) {
      return bytes instanceof ArrayBuffer && read(bytes) ? undefined : onread.call(this, bytes)
    }
  }

  /** Null if the gate is closed: the bytes then come by `data` events. */
  static of(socket: Socket, reader: Reader): DirectInput | null {
    const handle: unknown = Reflect.get(socket, '_handle')
    return open && isStreamHandle(handle) ? new DirectInput(socket, handle, reader) : null
  }

  pause(): void {
    if (this.#left) return void this.#socket.pause()
    if (!this.#handle.reading || this.#socket.destroyed) return
    this.#handle.reading = false
    this.#handle.readStop()
  }

  resume(): void {
    if (this.#left || this.#handle.reading || this.#socket.destroyed) return
    this.#handle.reading = true
    this.#handle.readStart()
  }

  /** Leaves this socket, and all later ones, to Node's own reader. */
  #leave(reader: Reader): void {
    if (this.#left) return
    open = false
    this.#left = true
    this.#socket.on('data', (bytes: Buffer) => reader.receive(bytes))
  }
}

function isStreamHandle(value: unknown): value is StreamHandle {
  return typeof value === 'object' && value !== null && 'onread' in value && typeof value.onread === 'function' &&
    'reading' in value && 'bytesRead' in value && 'readStart' in value && 'readStop' in value
}
