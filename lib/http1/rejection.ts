/** Why a request is rejected: the status of the response, and a phrase that programs may match. */
export interface Rejection {
  readonly status: number
  readonly reason: string
  /** Additional header fields of the response. */
  readonly headers?: Readonly<Record<string, string>>
}

/** Result of a parser: the bytes so far are valid but incomplete. */
export const NEED_MORE = -1
/** Result of a parser: its `rejection` has the reason. */
export const REJECTED = -2

function rejection(status: number, reason: string, headers?: Readonly<Record<string, string>>): Rejection {
  return Object.freeze(headers === undefined ? { status, reason } : { status, reason, headers: Object.freeze(headers) })
}

/**
 * Every reason to reject a request, its body, a form or a WebSocket handshake. docs/reference/errors.md has the cause and the
 * remedy of each. The argument of a function appears in its phrase. For a limit it is the amount read so far, since reading
 * stops at the first byte or field line over the limit.
 */
export const rejections = {
  // The head (RFC 9112).
  blankLines: rejection(400, 'too many blank lines before the request'),
  bareLf: rejection(400, 'line ended by a bare LF'),
  bareCr: rejection(400, 'bare CR'),
  method: rejection(400, 'malformed method'),
  methodTooLong: rejection(501, 'method too long'),
  requestLine: rejection(400, 'malformed request line'),
  target: rejection(400, 'malformed request target'),
  targetByte: rejection(400, 'character not allowed in the request target'),
  targetForm: rejection(400, 'request target does not fit the method'),
  version: rejection(400, 'malformed HTTP version'),
  versionUnsupported: rejection(505, 'unsupported HTTP version'),
  /** For responses, in the client. */
  statusLine: rejection(502, 'malformed status line'),
  noColon: rejection(400, 'field line without a colon'),
  emptyName: rejection(400, 'empty field name'),
  nameByte: rejection(400, 'character not allowed in a field name'),
  spaceBeforeColon: rejection(400, 'whitespace before the colon of a field'),
  folded: rejection(400, 'folded field line'),
  valueByte: rejection(400, 'control character in a field value'),

  // The fields of a head.
  noHost: rejection(400, 'no Host header'),
  repeatedHost: rejection(400, 'repeated Host header'),
  host: rejection(400, 'malformed Host header'),
  contentLength: rejection(400, 'malformed Content-Length header'),
  contentLengths: rejection(400, 'differing Content-Length headers'),
  contentLengthTooLarge: rejection(400, 'Content-Length too large to count'),
  lengthAndCoding: rejection(400, 'both Content-Length and Transfer-Encoding'),
  transferEncoding: rejection(400, 'malformed Transfer-Encoding header'),
  transferEncodingRepeated: rejection(400, 'repeated Transfer-Encoding header'),
  transferEncodingIn10: rejection(400, 'Transfer-Encoding in HTTP/1.0'),
  transferCoding: rejection(501, 'unsupported transfer coding'),
  connectBody: rejection(400, 'CONNECT with a body'),
  repeatedContentType: rejection(400, 'repeated Content-Type header'),
  repeatedAuthorization: rejection(400, 'repeated Authorization header'),
  expectation: rejection(417, 'unsupported expectation'),

  // The framing of a body (RFC 9112 section 7.1).
  chunkSize: rejection(400, 'malformed chunk size'),
  chunkSizeTooLong: rejection(400, 'chunk size with too many digits'),
  chunkExtension: rejection(400, 'malformed chunk extension'),
  chunkExtensionTooLong: rejection(400, 'chunk extension too long'),
  chunkOverhead: rejection(400, 'too many chunk framing bytes for the body'),
  chunkEnd: rejection(400, 'chunk data not followed by CRLF'),
  trailer: rejection(400, 'field not allowed in a trailer'),

  // Limits.
  /** A field line has at least `bytes` bytes, without its CRLF. */
  lineTooLong: (bytes: number) => rejection(431, `header line limit violation: ${bytes}`),
  /** The request line has at least `bytes` bytes. The limit and the phrase are those of field lines, but the status is 414. */
  requestLineTooLong: (bytes: number) => rejection(414, `header line limit violation: ${bytes}`),
  /** There are at least `count` field lines. */
  tooManyFields: (count: number) => rejection(431, `header count limit violation: ${count}`),
  /** A head or a trailer section has at least `bytes` bytes. */
  headTooLarge: (bytes: number) => rejection(431, `header size limit violation: ${bytes}`),
  /** A body has at least `bytes` bytes. */
  bodyTooLarge: (bytes: number) => rejection(413, `max_body_size limit violation: ${bytes}`),
  tooManyConnections: rejection(503, 'too many connections'),
  tooManyOfClient: rejection(503, 'too many connections of one client'),
  /** The connection is closed without a response. */
  tooManyHandshakes: rejection(503, 'too many handshakes of one client'),

  // Time, and the end of a connection.
  headTimeout: rejection(408, 'request header timeout'),
  bodyTimeout: rejection(408, 'request body timeout'),
  /** The handler was cancelled. */
  handlerTimeout: rejection(503, 'handler timeout'),
  bodyCutOff: rejection(400, 'the client ended within the body'),

  // A proxy in front (the PROXY protocol).
  proxyHeader: (fault: string) => rejection(400, `no PROXY header: ${fault}`),
  proxyHeaderUnlisted: rejection(400, 'a PROXY header from a peer that is not in proxy_protocol'),

  // TLS.
  notTls: rejection(400, 'this port speaks HTTPS; the request was sent as plain HTTP'),
  /** The connection may not serve the host of the request (RFC 9110 section 7.4). */
  misdirected: rejection(421, 'this host wants a connection of its own'),

  // Reading and decoding a body.
  /** A function among the settings of the body failed. */
  bodyNotRead: rejection(500, 'the body was not read'),
  compressedBody: rejection(400, 'malformed compressed body'),
  /** An unknown coding, or several. `supported` is the Accept-Encoding of the response (RFC 9110 section 12.5.3). */
  contentCoding: (supported: string) => rejection(415, 'unsupported content coding', { 'Accept-Encoding': supported }),
  charset: rejection(415, 'unsupported charset'),
  notText: (encoding: string) => rejection(400, `the text is not ${encoding}`),
  notJson: rejection(400, 'the body is not JSON'),

  // Forms.
  notForm: rejection(415, 'the body is not a form'),
  notMultipart: rejection(415, 'the body is not a multipart form'),
  form: rejection(400, 'malformed form'),
  tooManyParts: (count: number) => rejection(413, `form parts limit violation: ${count}`),
  /** The head of a part is too large, for the `reason` of a head. The status is 413 because it is part of the body. */
  partHead: (reason: string) => rejection(413, `form ${reason}`),
  fieldName: (bytes: number) => rejection(413, `form field name limit violation: ${bytes}`),
  field: (bytes: number) => rejection(413, `form field limit violation: ${bytes}`),

  // WebSocket handshakes (RFC 6455 section 4.2). A 426 has to name the protocol (RFC 9110 section 7.8).
  notWebSocket: rejection(426, 'this is for WebSockets', { Upgrade: 'websocket', Connection: 'Upgrade' }),
  webSocketVersion: rejection(426, 'the WebSocket version must be 13', {
    'Sec-WebSocket-Version': '13', Upgrade: 'websocket', Connection: 'Upgrade',
  }),
  webSocketKey: rejection(400, 'malformed Sec-WebSocket-Key header'),
  webSocketExtensions: rejection(400, 'malformed Sec-WebSocket-Extensions header'),
  webSocketProtocol: rejection(400, 'malformed Sec-WebSocket-Protocol header'),
  webSocketOrigin: rejection(403, 'this origin may not connect'),
  /** The bytes after the head must be frames. */
  webSocketBody: rejection(400, 'a WebSocket handshake has no body'),
} as const
