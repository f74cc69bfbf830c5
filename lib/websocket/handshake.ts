import { createHash } from 'node:crypto'
import { isToken, listMembers } from '../http1/grammar.js'
import { rejections, type Rejection } from '../http1/rejection.js'
import type { ResponseHeaders } from '../http1/response-headers.js'
import type { Agreement } from './deflate.js'
import { acceptCompression, chooseCompression, compressionOffer, parseExtensions } from './extensions.js'

/** A request, as a handshake sees it. */
export interface UpgradeRequest {
  readonly method: string
  /** Whether Connection has the token "upgrade", there is an Upgrade field, and the version is HTTP/1.1. */
  readonly upgrade: boolean
  /** The fields by lower-case name; the values of a repeated field are joined by ", ". */
  readonly fields: { get(name: string): string | undefined }
}

/** The origins whose pages may connect: the same host, a list ("https://example.com"), any ("*"), or decided by a function. */
export type Origins = 'same' | '*' | readonly string[] | ((origin: string | null, host: string) => boolean)

/** The subprotocols: a list, of which the first that the client offers is used, or a function that chooses one. */
export type Protocols = readonly string[] | ((offered: readonly string[]) => string | null)

export interface HandshakeRules {
  readonly origins: Origins
  readonly protocols: Protocols
  /** Null for no compression. */
  readonly compression: Agreement | null
}

/** An accepted handshake: the headers of the 101 response, and the agreement. */
export interface Accepted {
  readonly headers: ResponseHeaders
  /** The subprotocol; empty if there is none. */
  readonly protocol: string
  readonly compression: Agreement | null
}

const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
// 16 bytes in base64.
const KEY = /^[A-Za-z0-9+/]{22}==$/

/** The Sec-WebSocket-Accept value for a Sec-WebSocket-Key (RFC 6455 section 4.2.2). */
function acceptKey(key: string): string {
  return createHash('sha1').update(key + guid, 'latin1').digest('base64')
}

/** Whether a request is a WebSocket handshake, valid or not: a GET with an upgrade to that protocol. */
export function asksForWebSocket({ method, upgrade, fields }: UpgradeRequest): boolean {
  return upgrade && method === 'GET' && listMembers(fields.get('upgrade') ?? '').some((token) => token.toLowerCase() === 'websocket')
}

/**
 * Checks a handshake (RFC 6455 section 4.2.1) and makes the server's choices.
 * @param host host and port that the client made its request to
 * @param secure whether it did so over TLS
 */
export function acceptHandshake(request: UpgradeRequest, rules: HandshakeRules, host: string, secure: boolean): Accepted | Rejection {
  const { fields } = request
  if (!asksForWebSocket(request)) return rejections.notWebSocket
  if (fields.get('sec-websocket-version') !== '13') return rejections.webSocketVersion
  const key = fields.get('sec-websocket-key')
  if (key === undefined || !KEY.test(key)) return rejections.webSocketKey
  const extensions = parseExtensions(fields.get('sec-websocket-extensions') ?? '')
  if (extensions === null) return rejections.webSocketExtensions
  const offered = listMembers(fields.get('sec-websocket-protocol') ?? '')
  if (!offered.every(isToken)) return rejections.webSocketProtocol
  if (!mayConnect(fields.get('origin') ?? null, host, secure, rules.origins)) return rejections.webSocketOrigin

  const headers: Record<string, string> = { Upgrade: 'websocket', 'Sec-WebSocket-Accept': acceptKey(key) }
  const protocol = chooseProtocol(offered, rules.protocols)
  if (protocol !== null) headers['Sec-WebSocket-Protocol'] = protocol
  const compression = rules.compression === null ? null : chooseCompression(extensions, rules.compression)
  if (compression !== null) headers['Sec-WebSocket-Extensions'] = compression.response
  return { headers, protocol: protocol ?? '', compression: compression?.agreement ?? null }
}

/** Clients other than browsers need not send an origin, and could send any: a list keeps out pages, not programs. */
function mayConnect(origin: string | null, host: string, secure: boolean, origins: Origins): boolean {
  if (origins === '*') return true
  if (typeof origins === 'function') return origins(origin, host)
  if (origin === null) return true
  const given = normalOrigin(origin)
  if (origins !== 'same') return origins.some((allowed) => normalOrigin(allowed) === given)
  // A plain connection may come from a proxy that terminates TLS.
  return given === normalOrigin(`https://${host}`) || (!secure && given === normalOrigin(`http://${host}`))
}

/** In lower case, and without the scheme's default port, which browsers omit. */
function normalOrigin(origin: string): string {
  return origin.toLowerCase().replace(/^(?:(https:\/\/.*):443|(http:\/\/.*):80)$/, '$1$2')
}

/** @throws TypeError if a function chooses a protocol that was not offered: the client would have to fail the connection */
function chooseProtocol(offered: readonly string[], protocols: Protocols): string | null {
  if (typeof protocols !== 'function') return protocols.find((protocol) => offered.includes(protocol)) ?? null
  const chosen = protocols(offered)
  if (chosen === null || offered.includes(chosen)) return chosen
  throw new TypeError(`protocols: the function chose ${JSON.stringify(chosen)}, which the client did not offer`)
}

/** A client's side of the handshake. */
export interface ClientOffer {
  /** 16 random bytes in base64. */
  readonly key: string
  readonly protocols: readonly string[]
  readonly compression: Agreement | null
}

/** The header fields of a client's handshake (RFC 6455 section 4.1). */
export function handshakeHeaders(offer: ClientOffer): Record<string, string> {
  const headers: Record<string, string> = {
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': offer.key,
    'Sec-WebSocket-Version': '13',
  }
  if (offer.protocols.length > 0) headers['Sec-WebSocket-Protocol'] = offer.protocols.join(', ')
  if (offer.compression !== null) headers['Sec-WebSocket-Extensions'] = compressionOffer(offer.compression)
  return headers
}

/** Checks the server's response: returns the agreement, or the reason why the connection must be failed. */
export function checkResponse(
  status: number, fields: UpgradeRequest['fields'], offer: ClientOffer,
): { readonly protocol: string; readonly compression: Agreement | null } | string {
  if (status !== 101) return `the server responded with ${status} to the WebSocket handshake`
  if (fields.get('upgrade')?.toLowerCase() !== 'websocket') return 'the response upgrades to another protocol'
  if (!listMembers(fields.get('connection') ?? '').some((token) => token.toLowerCase() === 'upgrade')) return 'the response is not an upgrade'
  if (fields.get('sec-websocket-accept') !== acceptKey(offer.key)) return 'wrong Sec-WebSocket-Accept header'
  const protocol = fields.get('sec-websocket-protocol') ?? ''
  if (protocol !== '' && !offer.protocols.includes(protocol)) return 'a subprotocol that was not asked for'
  const compression = acceptCompression(fields.get('sec-websocket-extensions'), offer.compression)
  return typeof compression === 'string' ? compression : { protocol, compression }
}
