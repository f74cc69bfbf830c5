import { randomBytes } from 'node:crypto'
import { AddressError, background, ClosedError, HandshakeError, timeout, TimeoutError, type Awaitable, type Op, type Stream } from '../../lev/index.js'
import { instanceOf, made, makesAwaitable } from '../../lev/internal.js'
import { RequestError, UpgradeError } from '../errors.js'
import type { HeadLimits } from '../http1/field-lines.js'
import { responseFraming } from '../http1/response-framing.js'
import type { ResponseHead } from '../http1/response-head-reader.js'
import { headerLines, headerOf } from '../http1/response-headers.js'
import { checkResponse, handshakeHeaders, type ClientOffer } from '../websocket/handshake.js'
import { WebSocket } from '../websocket/websocket.js'
import { ContentReader } from './content-reader.js'
import { readHead } from './read-head.js'
import { openRoute, routeTo } from './route.js'
import { clientRulesOf, targetOf, type ClientRules, type Target, type WebSocketClientOptions } from './websocket-options.js'

const headLimits: HeadLimits = { lineLimit: 8192, countLimit: 100, sizeLimit: 65536 }

/** Maximum bytes kept of the body of a rejection, and seconds that reading it may take. */
const rejectionSize = 64 * 1024
const rejectionSeconds = 1

/** Seconds without a byte leaving after which the connection is reset, like `send_timeout` of a server. */
const stallTimeout = 30

/**
 * Opens a WebSocket. It belongs to the nearest enclosing scope: while that has other tasks, it is read (pings are answered, a
 * close is noticed); when they are done, or the scope is cancelled, it is closed with 1001. So the program can end without
 * closing it. Redirects are not followed.
 *
 * @param url `ws:` or `wss:`; `http:` and `https:` mean the same
 * @throws ArgumentError; IdentityError if a certificate or a key cannot be used; RequestError if there is no usable response
 * (connection refused or broken, a certificate that is not trusted, a response that is not HTTP); UpgradeError, with its
 * `status`, if the response opens no WebSocket; TimeoutError
 */
export function websocket(url: string | URL, options?: WebSocketClientOptions): Awaitable<WebSocket> {
  return made(opening(url, options))
}

function* opening(url: string | URL, options?: WebSocketClientOptions): Op<WebSocket> {
  const { ws, tend, release } = yield* dial(url, options)
  let tended = false
  try {
    tended = background(tend, () => ws.close(1001)).outcome === null
  } finally {
    // If the scope was cancelled meanwhile, the task does not run.
    if (!tended) release()
  }
  return ws
}

makesAwaitable(opening)

/** An open WebSocket, which the caller must run and release. */
interface Dialled {
  readonly ws: WebSocket
  /** Reads, and releases everything in the end; to be run in a task of its own. */
  tend(): Op<void>
  /** Closes the WebSocket and its connection at once. Repeated calls do nothing. */
  release(): void
}

/** Like `websocket`, but without starting the task that reads: for callers that do not want it in their scope. */
export function* dial(url: string | URL, options?: WebSocketClientOptions): Op<Dialled> {
  const target = targetOf(url)
  const rules = clientRulesOf(options)
  try {
    return yield* timeout(rules.handshake_timeout, open(target, rules))
  } catch (error) {
    if (!instanceOf<Error>(error, RequestError, AddressError, HandshakeError, ClosedError)) throw error
    throw new RequestError(`${target.origin}: ${error.message}`, { cause: error })
  }
}

function* open(target: Target, rules: ClientRules): Op<Dialled> {
  const offer: ClientOffer = { key: randomBytes(16).toString('base64'), protocols: rules.protocols, compression: rules.compression }
  const stream = yield* openRoute(routeTo(target.url, { tls: rules.tls, proxy: rules.proxy, socketPath: rules.socket_path }))
  let done = false
  try {
    stream.put(requestOf(target, rules, offer))
    const agreed = yield* agreedOn(stream, yield* readResponseHead(stream), target, offer)
    stream.stallTimeout = stallTimeout
    const compression = agreed.compression !== null && rules.compression !== null ? { ...rules.compression, ...agreed.compression } : null
    const ws = new WebSocket(stream, { client: true, protocol: agreed.protocol, compression }, rules)
    done = true
    return dialled(ws, stream)
  } finally {
    if (!done) stream.close()
  }
}

function dialled(ws: WebSocket, stream: Stream): Dialled {
  // Marks the WebSocket as read now, so that `next` before the task's first step does not read as well.
  const pump = ws.pump()
  function release(): void {
    ws.close(1001)
    stream.close()
  }
  function* tend(): Op<void> {
    try {
      yield* pump
    } finally {
      release()
    }
  }
  return { ws, tend, release }
}

function requestOf({ authority, resource }: Target, { headers }: ClientRules, offer: ClientOffer): string {
  const host = headerOf(headers, 'host') === undefined ? { Host: authority } : {}
  return `GET ${resource} HTTP/1.1\r\n${headerLines({ ...host, ...headers, ...handshakeHeaders(offer) })}\r\n`
}

function* readResponseHead(stream: Stream): Op<ResponseHead> {
  const head = yield* readHead(stream, headLimits)
  if (head === null) throw new RequestError('the server closed the connection without a response')
  return head
}

function* agreedOn(stream: Stream, head: ResponseHead, { origin }: Target, offer: ClientOffer): Op<Exclude<ReturnType<typeof checkResponse>, string>> {
  const { status, fields } = head
  const agreed = head.minorVersion === 0 && status === 101 ? 'an HTTP/1.0 response cannot upgrade' : checkResponse(status, fields, offer)
  if (typeof agreed !== 'string') return agreed
  throw new UpgradeError(status, fields.toObject(), `${origin}: ${agreed}`, yield* rejectionBody(stream, head))
}

/** The body of a server's rejection, as far as it arrives in time. */
function* rejectionBody(stream: Stream, head: ResponseHead): Op<Buffer> {
  const framing = responseFraming('GET', head)
  const parts: Buffer[] = []
  if (head.status === 101 || 'reason' in framing) return Buffer.alloc(0)
  const content = new ContentReader(stream, { length: framing.length, limit: Infinity, patience: Infinity })
  try {
    yield* timeout(rejectionSeconds, (function* () {
      for (let size = 0; size < rejectionSize;) {
        const piece = yield* content.next()
        if (piece === null) return
        parts.push(piece)
        size += piece.length
      }
    })())
  } catch (error) {
    if (!(error instanceof TimeoutError || error instanceof ClosedError || error instanceof RequestError)) throw error
  }
  return Buffer.concat(parts).subarray(0, rejectionSize)
}
