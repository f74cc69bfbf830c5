/** Bytes by name, classes of bytes as tables, and comparisons of bytes with names. */

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

/** What tokens have besides letters and digits. */
export const TOKEN_SYMBOLS = "!#$%&'*+-.^_`|~"

/** tchar (RFC 9110 5.6.2): methods, field names. */
export const TOKEN = classOf(ALNUM + TOKEN_SYMBOLS)

/** What may stand in a field value: HTAB, SP, visible characters, and bytes above 127 (RFC 9110 5.5). */
export const VALUE = new Uint8Array(256).fill(1, SP)
VALUE[HTAB] = 1
VALUE[0x7f] = 0

/**
 * Characters of a path: those of RFC 3986 (pchar and "/"), and of the others those that browsers (the WHATWG URL
 * standard) or users of curl do send bare: double quote, backquote and `[ ] ^ { | }`. Refused: controls, space, `#`,
 * `<`, `>`, bytes above 127, and the backslash, which some servers and proxies read as "/". What follows a "%" is not
 * checked: browsers send "100%" as it is.
 */
export const PATH = classOf(ALNUM + "-._~!$&'()*+,;=:@/%" + '"[]^`{|}')

/** Characters behind the "?": the same, with "?" itself and the backslash, which is nothing special there. */
export const QUERY = classOf(ALNUM + "-._~!$&'()*+,;=:@/%" + '"[]^`{|}' + '?\\')

/** Letters, digits, "." and "-": what nearly every host name is made of. */
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
 * Whether the bytes from `from` on are `name`, in any case. `name` is lowercase letters, digits and "-", and the caller
 * has made sure that the lengths agree and that the bytes hold no controls (`| 0x20` maps CR to "-").
 */
export function sameName(buf: Uint8Array, from: number, name: string): boolean {
  for (let k = 0; k < name.length; k++) {
    if ((buf[from + k] | 0x20) !== name.charCodeAt(k)) return false
  }
  return true
}

/** Whether the bytes from `from` on are `text`, case and all. The caller has made sure that the lengths agree. */
export function sameBytes(buf: Uint8Array, from: number, text: string): boolean {
  for (let k = 0; k < text.length; k++) {
    if (buf[from + k] !== text.charCodeAt(k)) return false
  }
  return true
}

/** `text` without the optional whitespace (RFC 9110 5.6.3) around it: SP and HTAB only, and in linear time. */
export function trimmed(text: string): string {
  let from = 0
  let to = text.length
  while (from < to && (text.charCodeAt(from) === SP || text.charCodeAt(from) === HTAB)) from++
  while (to > from && (text.charCodeAt(to - 1) === SP || text.charCodeAt(to - 1) === HTAB)) to--
  return text.slice(from, to)
}
