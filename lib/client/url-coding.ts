import { ArgumentError } from '../errors.js'

const unreserved = /^[A-Za-z0-9\-_.~]$/
const bytesAsText = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte)
  return unreserved.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
})

/**
 * Percent-encodes everything but letters, digits and `-_.~` (RFC 3986 section 2.3).
 * @param binary whether a string has one byte per character, instead of text to be encoded as UTF-8; has no effect on bytes
 * @throws ArgumentError if `data` is neither a string nor bytes, or is a binary string with characters above U+00FF
 */
export function urlEncode(data: string | Uint8Array, binary = false): string {
  if (typeof data !== 'string' && !(data instanceof Uint8Array)) throw new ArgumentError('data', 'data must be a string or bytes')
  if (binary && typeof data === 'string' && /[^\0-\xff]/.test(data)) {
    throw new ArgumentError('data', 'data is to be binary, but has characters above U+00FF')
  }
  const bytes = typeof data === 'string' ? Buffer.from(data, binary ? 'latin1' : 'utf8') : data
  let text = ''
  for (const byte of bytes) text += bytesAsText[byte]
  return text
}

/**
 * Decodes percent-encoding. A `%` without two hexadecimal digits after it is left unchanged, and so is `+`.
 * @param binary returns arbitrary bytes; without it the result must be UTF-8
 * @throws ArgumentError if `text` is not a string, or the result is not UTF-8
 */
export function urlDecode(text: string, binary: true): Buffer
export function urlDecode(text: string, binary?: false): string
export function urlDecode(text: string, binary?: boolean): string | Buffer
export function urlDecode(text: string, binary = false): string | Buffer {
  if (typeof text !== 'string') throw new ArgumentError('text', 'text must be a string')
  const given = Buffer.from(text)
  const bytes = Buffer.allocUnsafe(given.length)
  let length = 0
  for (let at = 0; at < given.length; at++) {
    const high = given[at] === 0x25 ? digit(given[at + 1]) : -1
    const low = high >= 0 ? digit(given[at + 2]) : -1
    bytes[length++] = low >= 0 ? high * 16 + low : given[at]
    if (low >= 0) at += 2
  }
  const decoded = bytes.subarray(0, length)
  if (binary) return decoded
  try {
    return utf8.decode(decoded)
  } catch (error) {
    throw new ArgumentError('text', 'text does not decode to UTF-8: say that it is binary', { cause: error })
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The value of a hexadecimal digit; -1 if `byte` is not one. */
function digit(byte: number | undefined): number {
  if (byte === undefined) return -1
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}
