import { now, wallClock, type Op, type Stream } from '../../lev/index.js'
import { sendable, unsentLimitBytes } from '../../lev/internal.js'
import { lastChunk, LAST_CHUNK, putChunk } from '../http1/chunk-framing.js'
import { dateLine } from '../http1/date.js'
import { CHUNKED, NO_LENGTH, TUNNEL, UNTIL_CLOSE } from '../http1/response-framing.js'
import { withDefaults, type ResponseHeaders } from '../http1/response-headers.js'
import { interimHead, responseHead, upgradeHead, type InterimStatus } from '../http1/write-head.js'
import { hasContent, opensTunnel } from '../http1/status.js'
import { transitions } from '../request/states.js'
import { noRequest, UNKNOWN_LENGTH, type RespondedRequest, type ResponseWriter } from './response-writer.js'

/** Writes the responses of one connection in HTTP/1.1 (RFC 9112), and HTTP/1.0. */
export class Http1Writer implements ResponseWriter {
  begun = false
  hasContent = false
  readonly #client: Stream
  #request = noRequest
  /** The head that is not written yet. */
  #head = ''
  /** How the content is delimited: its bytes, CHUNKED, UNTIL_CLOSE, NO_LENGTH or TUNNEL. */
  #framing = 0
  #sent = 0
  /** Text put since output was last sent. It becomes one chunk: framing dominates the cost of many small pieces. */
  #text = ''
  /** Attached while text is joined. */
  #beforeSend: (() => void) | null = null
  #dateLine = ''
  /** Time at which `#dateLine` expires. */
  #dateUntil = -Infinity

  constructor(client: Stream) {
    this.#client = client
  }

  get sent(): number {
    return this.#sent + this.#text.length
  }

  get needsDrain(): boolean {
    return this.#client.unsent + this.#text.length > unsentLimitBytes
  }

  interim({ minorVersion }: RespondedRequest, status: InterimStatus, headers: ResponseHeaders): boolean {
    const text = interimHead(status, headers)
    if (minorVersion === 0) return false
    this.#client.put(text)
    return true
  }

  // Not by `head`, `put` and `end`: what they store makes small pipelined responses 10 % slower (16 at once, Node 26).
  whole(
    request: RespondedRequest, status: number, headers: ResponseHeaders | null | undefined, content: Buffer | string, length = content.length,
  ): number {
    const head = this.#render(request, status, headers, framingOf(request, status, length))
    request.advance(transitions.responseBegun)
    this.#client.put(head)
    if (content.length === 0 || !hasContent(request.method, status)) return 0
    this.#client.put(content)
    return content.length
  }

  head(request: RespondedRequest, status: number, headers: ResponseHeaders | null | undefined, length: number): void {
    this.#framing = framingOf(request, status, length)
    this.#head = this.#render(request, status, headers, this.#framing)
    this.#request = request
    this.begun = false
    this.hasContent = hasContent(request.method, status)
    this.#sent = 0
  }

  begin(): void {
    if (this.begun) return
    this.begun = true
    this.#request.advance(transitions.responseBegun)
    this.#client.put(this.#head)
    this.#head = ''
  }

  put(bytes: Buffer | string): void {
    this.begin()
    if (!this.hasContent) return
    this.#emitText()
    this.#emit(bytes)
  }

  putText(text: string): void {
    if (!this.hasContent || this.#framing !== CHUNKED) return this.put(sendable(text))
    this.begin()
    if (this.#beforeSend === null) this.#client.beforeSend.attach(this.#beforeSend = () => this.#emitText())
    // Schedules a send, which calls `beforeSend`.
    if (this.#text === '') this.#client.put('')
    this.#text += text
  }

  end(trailers: ResponseHeaders | null = null): void {
    this.begin()
    if (this.hasContent && this.#framing === CHUNKED) {
      this.#stopJoining()
      this.#client.put(trailers === null ? LAST_CHUNK : lastChunk(trailers))
    }
    this.#request = noRequest
  }

  abort(): void {
    this.#stopJoining()
    // Content delimited by the end of the connection would look complete. In chunks, the last one is missing.
    if (this.#framing === UNTIL_CLOSE) this.#client.reset()
  }

  upgrade(request: RespondedRequest, headers: ResponseHeaders): void {
    const text = upgradeHead(headers, this.#date())
    request.advance(transitions.responseBegun)
    this.#client.put(text)
  }

  waitForDrain(): Op<void> {
    this.#emitText()
    return this.#client.waitForDrain()
  }

  flush(): Op<void> {
    this.begin()
    return this.#client.flush()
  }

  #render(request: RespondedRequest, status: number, headers: ResponseHeaders | null | undefined, framing: number): string {
    request.keepAlive = request.mayKeepAlive()
    const { hsts } = request
    const all = hsts === null ? headers : withDefaults(headers, 'strict-transport-security', hsts)
    return responseHead(status, all, framing, request, this.#date())
  }

  #stopJoining(): void {
    if (this.#beforeSend === null) return
    this.#client.beforeSend.detach(this.#beforeSend)
    this.#beforeSend = null
    if (this.#client.isOpen) this.#emitText()
  }

  #emitText(): void {
    if (this.#text === '') return
    const bytes = sendable(this.#text)
    this.#text = ''
    this.#emit(bytes)
  }

  #emit(bytes: Buffer | string): void {
    this.#sent += bytes.length
    if (this.#framing === CHUNKED) putChunk(this.#client, bytes)
    else this.#client.put(bytes)
  }

  /** The Date line, rendered once a second: for each response it would take 2 % of a pipelined request. */
  #date(): string {
    const time = now()
    if (time >= this.#dateUntil) {
      const seconds = wallClock()
      this.#dateUntil = time + 1 - (seconds % 1)
      this.#dateLine = dateLine(seconds)
    }
    return this.#dateLine
  }
}

/** How to delimit content of `length` bytes, UNKNOWN_LENGTH or NO_LENGTH. */
function framingOf({ method, minorVersion }: RespondedRequest, status: number, length: number): number {
  if (opensTunnel(method, status)) return TUNNEL
  if (length !== UNKNOWN_LENGTH) return length
  if (minorVersion === 1) return CHUNKED
  // A response to HEAD of HTTP/1.0 does not say how GET's content would end.
  return hasContent(method, status) ? UNTIL_CLOSE : NO_LENGTH
}
