import { isAuthority, isPlainHost } from './authority.js'
import { COMMA, HTAB, SP, isDigit, sameName } from './bytes.js'
import { Field } from './field-lines.js'
import { listMembers, token } from './grammar.js'
import { rejections } from './rejection.js'
import type { Rejection } from './rejection.js'

const CLOSE = 1
const KEEP_ALIVE = 2
const UPGRADE = 4

const LENGTHS = /^[0-9]+(?:[ \t]*,[ \t]*[0-9]+)*$/
// A list of transfer-coding, with parameters (RFC 9112 7).
const PARAMETER = `[ \\t]*;[ \\t]*${token}[ \\t]*=[ \\t]*(?:${token}|"(?:[^"\\\\]|\\\\.)*")`
const CODINGS = new RegExp(`^${token}(?:${PARAMETER})*(?:[ \\t]*,[ \\t]*${token}(?:${PARAMETER})*)*$`)

/** The options of a Connection field (RFC 9110 7.6.1) as bits: a list, case-insensitive; unknown options are ignored. */
function connectionOptions(buf: Uint8Array, from: number, to: number): number {
  let bits = 0
  let i = from
  while (i < to) {
    while (i < to && (buf[i] === SP || buf[i] === HTAB || buf[i] === COMMA)) i++
    const start = i
    while (i < to && buf[i] !== COMMA) i++
    let stop = i
    while (stop > start && (buf[stop - 1] === SP || buf[stop - 1] === HTAB)) stop--
    if (stop - start === 5 && sameName(buf, start, 'close')) bits |= CLOSE
    else if (stop - start === 10 && sameName(buf, start, 'keep-alive')) bits |= KEEP_ALIVE
    else if (stop - start === 7 && sameName(buf, start, 'upgrade')) bits |= UPGRADE
  }
  return bits
}

/** The value of Content-Length (RFC 9110 8.6): digits, or a list that repeats one value, which a number represents exactly. */
export function contentLengthOf(value: string): number | Rejection {
  if (!LENGTHS.test(value)) return rejections.contentLength
  const lengths = value.split(',').map(Number)
  if (lengths.some((length) => length > Number.MAX_SAFE_INTEGER)) return rejections.contentLengthTooLarge
  return new Set(lengths).size > 1 ? rejections.contentLengths : lengths[0]
}

/**
 * Determines framing, persistence and host of a request from the fields of its head. Pass each field listed in `Field` to `take`,
 * in order; then `finish` computes the result.
 *
 * Repeated fields: most are lists, whose values are joined. Host, Transfer-Encoding, differing Content-Lengths, Content-Type and
 * Authorization are rejected, because a proxy in front could use one of the values and a handler the other. Other single-valued
 * fields (Referer, Range, dates...) are joined too, which makes their value invalid.
 */
export class Framing {
  keepAlive = false
  /** Bytes of content; -1: no Content-Length. */
  contentLength = -1
  chunked = false
  expectContinue = false
  upgrade = false
  /** Content-Length was sent more than once, always with the same value. */
  lengthRepeated = false
  /** Position of the value of Host; -1: no Host. */
  hostFrom = -1
  hostTo = -1

  #options = 0
  #coding: Rejection | 'chunked' | null = null
  #contentType = false
  #authorization = false
  #expectation = false
  #upgradeField = false
  /** A list had empty members: legal (RFC 9110 5.6.1.2), but so unusual that the connection closes after the response. */
  #odd = false

  reset(): void {
    this.contentLength = -1
    this.lengthRepeated = false
    this.hostFrom = -1
    this.#options = 0
    this.#coding = null
    this.#contentType = false
    this.#authorization = false
    this.#expectation = false
    this.#upgradeField = false
    this.#odd = false
  }

  /** Takes a field with the value buf[from, to). Returns null, or the reason to reject the request. */
  take(field: number, buf: Buffer, from: number, to: number): Rejection | null {
    switch (field) {
      case Field.HOST:
        return this.#takeHost(buf, from, to)
      case Field.CONNECTION:
        this.#options |= connectionOptions(buf, from, to)
        return null
      case Field.CONTENT_LENGTH:
        return this.#takeLength(buf, from, to)
      case Field.TRANSFER_ENCODING:
        return this.#takeCoding(buf, from, to)
      case Field.EXPECT:
        this.#expectation = true
        if (to - from === 12 && sameName(buf, from, '100-continue')) return null
        return this.#members(buf.toString('latin1', from, to).toLowerCase()) === '100-continue' ? null : rejections.expectation
      case Field.UPGRADE:
        this.#upgradeField ||= to > from
        return null
      case Field.CONTENT_TYPE:
        if (this.#contentType) return rejections.repeatedContentType
        this.#contentType = true
        return null
      case Field.AUTHORIZATION:
        if (this.#authorization) return rejections.repeatedAuthorization
        this.#authorization = true
        return null
      default:
        return null
    }
  }

  /** Computes the result for a whole head. Returns null, or the reason to reject the request. */
  finish(minorVersion: 0 | 1, connect: boolean): Rejection | null {
    const modern = minorVersion === 1
    if (modern && this.hostFrom < 0) return rejections.noHost
    const coding = this.#coding
    this.chunked = coding === 'chunked'
    if (coding !== null) {
      if (!modern) return rejections.transferEncodingIn10
      if (this.contentLength >= 0) return rejections.lengthAndCoding
      if (coding !== 'chunked') return coding
    }
    const body = this.chunked || this.contentLength > 0
    if (connect && body) return rejections.connectBody
    const options = this.#options
    // A proxy that has accepted the CONNECT tunnels the bytes after it, so they must not be read as a request.
    this.keepAlive = (options & CLOSE) === 0 && (modern || (options & KEEP_ALIVE) !== 0) && !connect && !this.#odd
    // A client of HTTP/1.0, or one that sends no body, must not be sent a 100 (RFC 9110 10.1.1).
    this.expectContinue = this.#expectation && modern && body
    this.upgrade = modern && this.#upgradeField && (options & UPGRADE) !== 0
    return null
  }

  #takeHost(buf: Buffer, from: number, to: number): Rejection | null {
    if (this.hostFrom >= 0) return rejections.repeatedHost
    if (!isPlainHost(buf, from, to) && !isAuthority(buf.toString('latin1', from, to))) return rejections.host
    this.hostFrom = from
    this.hostTo = to
    return null
  }

  #takeLength(buf: Buffer, from: number, to: number): Rejection | null {
    let length = 0
    let i = from
    while (i < to && isDigit(buf[i])) length = length * 10 + (buf[i++] - 0x30)
    if (i === to && i > from) return this.#noteLength(length)
    const listed = contentLengthOf(buf.toString('latin1', from, to))
    if (typeof listed !== 'number') return listed
    this.lengthRepeated = true
    return this.#noteLength(listed)
  }

  #noteLength(length: number): Rejection | null {
    if (length > Number.MAX_SAFE_INTEGER) return rejections.contentLengthTooLarge
    if (this.contentLength >= 0 && this.contentLength !== length) return rejections.contentLengths
    this.lengthRepeated ||= this.contentLength >= 0
    this.contentLength = length
    return null
  }

  // RFC 9112 6.1 and 6.3: only a single `chunked` is served; other codings before it give 501. Without a final `chunked` the end
  // of the body is unknown: 400. The same for a `chunked` that is repeated, not last, or has parameters.
  #takeCoding(buf: Buffer, from: number, to: number): Rejection | null {
    if (this.#coding !== null) return rejections.transferEncodingRepeated
    this.#coding = 'chunked'
    if (to - from === 7 && sameName(buf, from, 'chunked')) return null
    const text = this.#members(buf.toString('latin1', from, to).toLowerCase())
    if (text === 'chunked') return null
    if (!CODINGS.test(text)) return rejections.transferEncoding
    const others = /^(.*),[ \t]*chunked$/.exec(text)?.[1]
    this.#coding = others === undefined || others.includes('chunked') ? rejections.transferEncoding : rejections.transferCoding
    return null
  }

  /** A list without its empty members; records whether it had any. */
  #members(list: string): string {
    const members = listMembers(list)
    this.#odd ||= members.length < list.split(',').length
    return members.join(',')
  }
}
