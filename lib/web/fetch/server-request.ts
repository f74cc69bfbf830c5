import type { ReadableStream as WebStream } from 'node:stream/web'
import type { Context } from '../../request/context.js'
import type { ResponseParts } from '../../request/handler.js'
import { arrayBufferOf, textOf } from './decode.js'
import { headerEntries, type RequestHeaders } from '../../http1/headers.js'

// The types of Node.js declare members as fields, which a class could not replace by getters and methods.
type Replaced = 'signal' | 'bodyUsed' | 'clone' | 'text' | 'json' | 'arrayBuffer'
const PlatformRequest: new (url: string, init: RequestInit) => Omit<Request, Replaced> = Request
const platform = Request.prototype

/**
 * The Request that an application of the fetch standard gets. It is a Request of the platform's own, so it works wherever one
 * is expected. But `signal` is made when it is looked at, and content that is buffered is read without its stream, which is only
 * locked: each is a large part of what a Request costs.
 */
class ServerRequest extends PlatformRequest {
  readonly #ctx: Context
  readonly #buffer: Buffer | null
  #wasRead = false

  constructor(url: string, init: RequestInit, buffer: Buffer | null, ctx: Context) {
    super(url, init)
    this.#buffer = buffer
    this.#ctx = ctx
  }

  /** Aborts when the client disconnects, or the server stops waiting, before the response is finished. */
  get signal(): AbortSignal {
    return this.#ctx.signal
  }

  get bodyUsed(): boolean {
    return this.#wasRead || Reflect.get(platform, 'bodyUsed', this)
  }

  clone(): Request {
    return new Request(platform.clone.call(this), { signal: this.#ctx.signal })
  }

  async text(): Promise<string> {
    const content = this.#take()
    return content === null ? platform.text.call(this) : textOf(content)
  }

  async json(): Promise<unknown> {
    const content = this.#take()
    return content === null ? platform.json.call(this) : JSON.parse(textOf(content))
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    const content = this.#take()
    return content === null ? platform.arrayBuffer.call(this) : arrayBufferOf(content)
  }

  /** The buffered content, once; null leaves it to the platform to read the stream, or to reject that. */
  #take(): Buffer | null {
    if (this.#buffer === null || this.body === null || this.body.locked || this.bodyUsed) return null
    this.body.getReader()
    this.#wasRead = true
    return this.#buffer
  }
}

// As those of the platform are.
for (const name of ['signal', 'bodyUsed', 'clone', 'text', 'json', 'arrayBuffer'] satisfies Replaced[]) {
  Object.defineProperty(ServerRequest.prototype, name, { enumerable: true })
}
// That of the platform's class is inherited: `new request.constructor(request)` makes a Request.
Reflect.deleteProperty(ServerRequest.prototype, 'constructor')

/** Methods of which no Request can be made (Fetch standard, "forbidden method"), and others that it would write in capitals. */
const unfit = /^(?:connect|trace|track|delete|get|head|options|post|put)$/i

const fit = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'])

/** The last host of which a URL could be made: nearly always that of the next request too. */
let hostFit = ''

/** The response to a request that no Request can stand for; null for all others. */
export function refusal(method: string, ctx: Context): ResponseParts | null {
  if (!fit.has(method) && unfit.test(method)) return ['Not Implemented: no Request has this method\n', 501]
  const host = hostOf(ctx)
  if (host !== hostFit) {
    if (!URL.canParse(`http://${host}`)) return ['Bad Request: no URL has this host\n', 400]
    hostFit = host
  }
  return null
}

/** The host for the URL. Without one, the path would be taken for it. */
function hostOf({ host }: Context): string {
  return host === '' ? 'localhost' : host
}

/** The scheme and host of a request. */
export function requestOrigin(ctx: Context): string {
  return `${ctx.scheme}://${hostOf(ctx)}`
}

/** The path of a request with its query. */
export function requestTarget(query: string, args: string): string {
  return `${query === '*' ? '/*' : query}${args === '' ? '' : `?${args}`}`
}

/** @param body the content, if it is buffered */
export function serverRequest(method: string, url: string, headers: RequestHeaders, body: Buffer | null, ctx: Context): Request {
  const init: RequestInit = { method, headers: headerEntries(headers) }
  if (method !== 'GET' && method !== 'HEAD') {
    if (body !== null) init.body = body
    else if (mayStream(headers)) {
      init.body = streamOf(ctx)
      init.duplex = 'half'
    }
  }
  return new ServerRequest(url, init, body, ctx)
}

/** Whether a request whose content is not buffered has content that the application reads itself. */
function mayStream(headers: RequestHeaders): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/** The content as a stream that takes a piece from the connection only when one is wanted. */
function streamOf(ctx: Context): WebStream<Uint8Array> {
  const pieces = ctx.body[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await pieces.next()
      if (done === true) controller.close()
      else controller.enqueue(value)
    },
  }, { highWaterMark: 0 })
}
