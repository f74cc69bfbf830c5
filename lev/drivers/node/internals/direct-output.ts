import { Socket, type SocketConstructorOpts } from 'node:net'
import { getSystemErrorName } from 'node:util'
import { isSecure } from '../secure.js'
import { isOpen } from './gate.js'

/** Node's internal handle of a net.Socket: the system's stream, or TLS over it. Functions return 0, or a negative system error. */
interface StreamHandle {
  writeLatin1String(request: WriteRequest, text: string): number
  writeBuffer(request: WriteRequest, bytes: Buffer): number
  /** `parts`: buffers; or, if there is text among them, each part followed by its encoding. */
  writev(request: WriteRequest, parts: readonly (Buffer | string)[], allBuffers: boolean): number
  /** Bytes that were not taken at once and are still queued. */
  readonly writeQueueSize: number
}

/** Request object of a pending write; a write that completes synchronously leaves it reusable. */
interface WriteRequest {
  /** The output of this write. */
  output?: DirectOutput | null
  /** Keeps the bytes alive that were passed to the system. */
  kept?: unknown
  /** -1 while no write is pending in the request. */
  getAsyncId(): number
  oncomplete?: (this: WriteRequest, status: number) => void
}

/** Called when `pending` has fallen. */
export interface Writer {
  progress(): void
}

/** Length up to which Node writes text without allocating memory for its bytes. */
const shortText = 16 * 1024

/** Buffer in which longer text is converted to bytes. A pending write takes it along, so it is no `scratchBuffer`; null: none. */
let scratch: Buffer | null = null
const scratchSize = 64 * 1024

/** Length up to which text among buffers, usually the head of a response, gets a buffer of its own. */
const headText = 2048

/** Null if the gate is closed. */
const RequestClass = isOpen('directOutput') ? findRequestClass() : null

/** A request without a pending write, to be reused. */
let spare: WriteRequest | null = null

/**
 * Writes directly to a socket's handle, without the queue, the callback and the microtask turn that stream.Writable needs for
 * each write, although the system takes nearly all of them at once: 4 to 5 % of the CPU time of a small request.
 */
export class DirectOutput {
  readonly #socket: Socket
  readonly #handle: StreamHandle
  readonly #requestClass: new () => WriteRequest
  readonly #writer: Writer
  /** Whether it is TLS, which takes one write at a time and completes it later; further output is gathered meanwhile. */
  readonly #serial: boolean
  #gathered: (Buffer | string)[] = []
  #gatheredSize = 0
  /** Number of writes that were not taken at once, and their size for TLS. */
  #waiting = 0
  #waitingSize = 0
  #ended = false

  private constructor(socket: Socket, handle: StreamHandle, requestClass: new () => WriteRequest, writer: Writer) {
    this.#socket = socket
    this.#handle = handle
    this.#requestClass = requestClass
    this.#serial = isSecure(socket)
    this.#writer = writer
  }

  /** Null if the gate is closed: the caller then writes to the socket itself. */
  static of(socket: Socket, writer: Writer): DirectOutput | null {
    const handle: unknown = Reflect.get(socket, '_handle')
    return RequestClass !== null && isStreamHandle(handle) ? new DirectOutput(socket, handle, RequestClass, writer) : null
  }

  get pending(): number {
    if (this.#waiting === 0 || this.#socket.destroyed) return 0
    return this.#serial ? this.#waitingSize + this.#gatheredSize : this.#handle.writeQueueSize
  }

  write(parts: readonly (Buffer | string)[]): void {
    if (this.#socket.destroyed) return
    if (this.#serial && this.#waiting > 0) this.#gather(parts)
    else this.#hand(parts)
  }

  /** Ends the socket after all pending writes. */
  end(): void {
    this.#ended = true
    if (this.#waiting === 0) this.#socket.end()
  }

  #gather(parts: readonly (Buffer | string)[]): void {
    this.#gathered.push(...parts)
    this.#gatheredSize += sizeOf(parts)
  }

  #hand(parts: readonly (Buffer | string)[]): void {
    const request = spare ?? this.#newRequest()
    spare = null
    request.output = this
    const buffers = asBuffers(parts)
    const status = this.#call(request, parts, buffers)
    // A failing write may complete within its call.
    if (request.output === null) return
    if (status === 0 && request.getAsyncId() !== -1) {
      this.#waiting++
      this.#waitingSize = this.#serial ? sizeOf(parts) : 0
      request.kept = buffers ?? parts
      if (parts.some((part) => typeof part === 'string' && part.length > headText)) scratch = null
      return
    }
    request.output = null
    spare = request
    if (status !== 0) this.#fail(status)
  }

  #newRequest(): WriteRequest {
    const request = new this.#requestClass()
    request.oncomplete = onComplete
    return request
  }

  #call(request: WriteRequest, parts: readonly (Buffer | string)[], buffers: readonly Buffer[] | null): number {
    if (buffers !== null) {
      return buffers.length === 1 ? this.#handle.writeBuffer(request, buffers[0]) : this.#handle.writev(request, buffers, true)
    }
    const [first] = parts
    if (parts.length === 1 && typeof first === 'string') return this.#handle.writeLatin1String(request, first)
    return this.#handle.writev(request, parts.flatMap((part) => [part, 'latin1']), false)
  }

  /** Handles the completion of a write. @param later whether its call had returned before, so that it counts as waiting */
  static complete(output: DirectOutput, status: number, later: boolean): void {
    if (later) output.#waiting--
    if (output.#socket.destroyed) return
    if (status < 0) return output.#fail(status)
    if (!later) return
    if (output.#gathered.length > 0) output.#handGathered()
    else if (output.#ended && output.#waiting === 0) output.#socket.end()
    output.#writer.progress()
  }

  #handGathered(): void {
    const parts = this.#gathered
    this.#gathered = []
    this.#gatheredSize = 0
    this.write(parts)
  }

  #fail(status: number): void {
    const code = getSystemErrorName(status)
    this.#socket.destroy(Object.assign(new Error(`write ${code}`), { code, errno: status, syscall: 'write' }))
  }
}

/** Called by Node as a method of the request. */
function onComplete(this: WriteRequest, status: number): void {
  const { output } = this
  this.output = null
  if (output !== undefined && output !== null) DirectOutput.complete(output, status, this.kept !== undefined)
}

/** Converts all parts to buffers; null if Node writes them better: short text alone, or more text than `scratch` holds. */
function asBuffers(parts: readonly (Buffer | string)[]): Buffer[] | null {
  const [first] = parts
  if (parts.length === 1) {
    if (typeof first !== 'string') return [first]
    if (first.length <= shortText) return null
  }
  const buffers: Buffer[] = []
  let at = 0
  for (const part of parts) {
    if (typeof part !== 'string') buffers.push(part)
    else if (part.length <= headText) buffers.push(Buffer.from(part, 'latin1'))
    else if (at + part.length > scratchSize) return null
    else {
      const room = (scratch ??= Buffer.allocUnsafeSlow(scratchSize))
      buffers.push(room.subarray(at, at + part.length))
      at += room.write(part, at, 'latin1')
    }
  }
  return buffers
}

function sizeOf(parts: readonly (Buffer | string)[]): number {
  return parts.reduce((size, part) => size + part.length, 0)
}

function isStreamHandle(value: unknown): value is StreamHandle {
  return typeof value === 'object' && value !== null && 'writeLatin1String' in value && 'writeBuffer' in value &&
    'writev' in value && 'writeQueueSize' in value
}

/** Finds the class of Node's write requests. Only a socket's handle gets to see one, so this makes a socket on a fake handle. */
function findRequestClass(): (new () => WriteRequest) | null {
  let found: unknown = null
  const handle = {
    readStart: () => 0,
    writeLatin1String(request: object) {
      found = request.constructor
      return 0
    },
  }
  try {
    const options: SocketConstructorOpts & { readonly handle: object } = { handle }
    const socket = new Socket(options)
    socket.on('error', () => {})
    socket.write('-', 'latin1')
    Reflect.set(socket, '_handle', null)
    socket.destroy()
  } catch {
    return null
  }
  return isRequestClass(found) ? found : null
}

function isRequestClass(value: unknown): value is new () => WriteRequest {
  if (typeof value !== 'function') return false
  const request: unknown = Reflect.construct(value, [])
  return typeof request === 'object' && request !== null && 'getAsyncId' in request &&
    typeof request.getAsyncId === 'function' && request.getAsyncId() === -1
}
