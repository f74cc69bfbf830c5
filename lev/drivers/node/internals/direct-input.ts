import type { Socket } from 'node:net'
import { isOpen } from './gate.js'

/** What Node keeps below a socket: the system's stream, or TLS over it. */
interface StreamHandle {
  /** What Node calls with bytes that have arrived; without any, at the end and after a fault. */
  onread: (this: unknown, bytes?: ArrayBuffer) => unknown
  /** Whether it was started: Node starts it if not. */
  reading: boolean
  /** What it has brought so far. */
  readonly bytesRead: number
  readStart(): number
  readStop(): number
}

/** Given what arrives. */
export interface Reader {
  receive(bytes: Buffer): void
}

/** Also false after a read that was not as expected. */
let open = isOpen('directInput')

/**
 * Reads what a TLS socket has decrypted as it comes, without the queue, the event and the tick that stream.Readable has for each
 * read: 5 % of the CPU time of a small request. The end comes as the socket's `end` nevertheless, so it has to flow.
 */
export class DirectInput {
  readonly #socket: Socket
  readonly #handle: StreamHandle
  /** Node's own reader is in charge again. */
  #left = false

  private constructor(socket: Socket, handle: StreamHandle, reader: Reader) {
    this.#socket = socket
    this.#handle = handle
    const { onread, bytesRead } = handle
    let proven = false
    const read = (bytes: ArrayBuffer): boolean => {
      // Memory with more in it than this read has brought is shared, and holds the bytes of other connections.
      proven ||= !this.#left && bytes.byteLength === handle.bytesRead - bytesRead
      if (proven) reader.receive(Buffer.from(bytes))
      else this.#leave(reader)
      return proven
    }
    handle.onread = function (bytes) {
      return bytes instanceof ArrayBuffer && read(bytes) ? undefined : onread.call(this, bytes)
    }
  }

  /** Null where the gate is closed: then `data` events bring the bytes. */
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

  /** Leaves this socket, and all that come, to Node's own reader. */
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
