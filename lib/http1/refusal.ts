/** Why a request cannot be served: the status to answer with, and a phrase that programs may match. */
export interface Refusal {
  readonly status: number
  readonly reason: string
  /** Fields that the answer has besides the usual ones. */
  readonly headers?: Readonly<Record<string, string>>
}

/** A parser's answer: the bytes so far are fine, but what is looked for is not whole yet. */
export const NEED_MORE = -1
/** A parser's answer: its `refusal` says why. */
export const REFUSED = -2

function refusal(status: number, reason: string): Refusal {
  return Object.freeze({ status, reason })
}

/** Every fixed refusal of the protocol; those that name a limit are functions below. */
export const refusals = {
  blankLines: refusal(400, 'too many blank lines before the request'),
  bareLf: refusal(400, 'line ended by a bare LF'),
  bareCr: refusal(400, 'bare CR'),
  method: refusal(400, 'malformed method'),
  methodTooLong: refusal(501, 'method too long'),
  requestLine: refusal(400, 'malformed request line'),
  target: refusal(400, 'malformed request target'),
  targetByte: refusal(400, 'character not allowed in the request target'),
  targetForm: refusal(400, 'request target does not fit the method'),
  version: refusal(400, 'malformed HTTP version'),
  versionUnsupported: refusal(505, 'unsupported HTTP version'),
  statusLine: refusal(502, 'malformed status line'),
  noColon: refusal(400, 'field line without a colon'),
  emptyName: refusal(400, 'empty field name'),
  nameByte: refusal(400, 'character not allowed in a field name'),
  spaceBeforeColon: refusal(400, 'whitespace before the colon of a field'),
  folded: refusal(400, 'folded field line'),
  valueByte: refusal(400, 'control character in a field value'),
  noHost: refusal(400, 'no Host header'),
  repeatedHost: refusal(400, 'repeated Host header'),
  host: refusal(400, 'malformed Host header'),
  contentLength: refusal(400, 'malformed Content-Length header'),
  contentLengths: refusal(400, 'differing Content-Length headers'),
  contentLengthTooLarge: refusal(400, 'Content-Length too large to count'),
  lengthAndCoding: refusal(400, 'both Content-Length and Transfer-Encoding'),
  transferEncoding: refusal(400, 'malformed Transfer-Encoding header'),
  transferEncodingRepeated: refusal(400, 'repeated Transfer-Encoding header'),
  transferEncodingIn10: refusal(400, 'Transfer-Encoding in HTTP/1.0'),
  transferCoding: refusal(501, 'unsupported transfer coding'),
  connectBody: refusal(400, 'CONNECT with a body'),
  repeatedContentType: refusal(400, 'repeated Content-Type header'),
  repeatedAuthorization: refusal(400, 'repeated Authorization header'),
  expectation: refusal(417, 'unsupported expectation'),
  chunkSize: refusal(400, 'malformed chunk size'),
  chunkSizeTooLong: refusal(400, 'chunk size with too many digits'),
  chunkExtension: refusal(400, 'malformed chunk extension'),
  chunkExtensionTooLong: refusal(400, 'chunk extension too long'),
  chunkOverhead: refusal(400, 'too many chunk framing bytes for the body'),
  chunkEnd: refusal(400, 'chunk data not followed by CRLF'),
  trailer: refusal(400, 'field not allowed in a trailer'),
} as const

// What came is told, as far as it was read: reading ends with the first byte or field line that is too many.

/** A field line has `bytes` bytes (without its CRLF), or more. */
export function lineTooLong(bytes: number): Refusal {
  return refusal(431, `header line limit violation: ${bytes}`)
}

/** The request line has `bytes` bytes, or more: the same phrase, since it is the same limit, but 414. */
export function requestLineTooLong(bytes: number): Refusal {
  return refusal(414, `header line limit violation: ${bytes}`)
}

/** There are `count` field lines, or more. */
export function tooManyFields(count: number): Refusal {
  return refusal(431, `header count limit violation: ${count}`)
}

/** A head, or a trailer section, has `bytes` bytes, or more. */
export function headTooLarge(bytes: number): Refusal {
  return refusal(431, `header size limit violation: ${bytes}`)
}

/** A body has `bytes` bytes, or more. */
export function bodyTooLarge(bytes: number): Refusal {
  return refusal(413, `max_body_size limit violation: ${bytes}`)
}
