/** Names of bytes, character classes as tables, and comparisons of bytes with names. */

export const HTAB = 0x09
export const SP = 0x20
export const COMMA = 0x2c

/** Letters and digits. */
export const ALNUM = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

function classOf(characters: string): Uint8Array {
  const table = new Uint8Array(256)
  for (const character of characters) table[character.charCodeAt(0)] = 1
  return table
}

/** The characters of tokens other than letters and digits. */
export const TOKEN_SYMBOLS = "!#$%&'*+-.^_`|~"

/** tchar (RFC 9110 5.6.2): methods, field names. */
export const TOKEN = classOf(ALNUM + TOKEN_SYMBOLS)

/** Bytes allowed in a field value: HTAB, SP, visible characters, and bytes above 127 (RFC 9110 5.5). */
export const VALUE = new Uint8Array(256).fill(1, SP)
VALUE[HTAB] = 1
VALUE[0x7f] = 0

/**
 * Characters of a path: those of RFC 3986 (pchar and "/"), and others that browsers (the WHATWG URL standard) or users of curl
 * send unescaped: double quote, backquote and `[ ] ^ { | }`. Rejected are controls, space, `#`, `<`, `>`, bytes above 127, and
 * the backslash, which some servers and proxies read as "/". The characters after a "%" are not checked: browsers send "100%"
 * unescaped.
 */
export const PATH = classOf(ALNUM + "-._~!$&'()*+,;=:@/%" + '"[]^`{|}')

/** Characters after the "?": those of a path, "?" itself, and the backslash, which has no special meaning there. */
export const QUERY = classOf(ALNUM + "-._~!$&'()*+,;=:@/%" + '"[]^`{|}' + '?\\')

/** Letters, digits, "." and "-": the characters of nearly all host names. */
export const HOST_NAME = classOf(ALNUM + '.-')

/** Value of a hexadecimal digit, 255 for any other byte. */
export const HEX = new Uint8Array(256).fill(255)
for (let digit = 0; digit < 16; digit++) {
  HEX[digit.toString(16).charCodeAt(0)] = digit
  HEX[digit.toString(16).toUpperCase().charCodeAt(0)] = digit
}

export function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}

/**
 * Whether the bytes from `from` on are `name`, ignoring case. `name` consists of lowercase letters, digits and "-". The caller
 * has checked that the lengths are equal and that there are no controls among the bytes (`| 0x20` maps CR to "-").
 */
export function sameName(buf: Uint8Array, from: number, name: string): boolean {
  for (let k = 0; k < name.length; k++) {
    if ((buf[from + k] | 0x20) !== name.charCodeAt(k)) return false
  }
  return true
}

/** Whether the bytes from `from` on are exactly `text`. The caller has checked that the lengths are equal. */
export function sameBytes(buf: Uint8Array, from: number, text: string): boolean {
  for (let k = 0; k < text.length; k++) {
    if (buf[from + k] !== text.charCodeAt(k)) return false
  }
  return true
}

/** `text` without surrounding optional whitespace (RFC 9110 5.6.3): SP and HTAB only, in linear time. */
export function trimmed(text: string): string {
  let from = 0
  let to = text.length
  while (from < to && (text.charCodeAt(from) === SP || text.charCodeAt(from) === HTAB)) from++
  while (to > from && (text.charCodeAt(to - 1) === SP || text.charCodeAt(to - 1) === HTAB)) to--
  return text.slice(from, to)
}
