/** Grammar shared by several fields, as regular expressions; `bytes.ts` has character classes as tables. */
import { ALNUM, TOKEN_SYMBOLS, trimmed } from './bytes.js'

/** token (RFC 9110 section 5.6.2) for use in regular expressions. */
export const token = `[${(ALNUM + TOKEN_SYMBOLS).replace(/[\^-]/g, '\\$&')}]+`

const TOKEN = new RegExp(`^${token}$`)

/** Whether `text` is a token, such as a method, a field name or a subprotocol. */
export function isToken(text: string): boolean {
  return TOKEN.test(text)
}

/** The members of a list without quoted strings; empty ones, which any list may have, are left out (RFC 9110 5.6.1). */
export function listMembers(list: string): string[] {
  return list.split(',').map(trimmed).filter((member) => member !== '')
}

/** scheme (RFC 3986 section 3.1) for use in regular expressions. */
export const scheme = '[A-Za-z][A-Za-z0-9+.-]*'

const SCHEME = new RegExp(`^${scheme}://`)

/** Whether `text` begins with a scheme and "://". */
export function hasScheme(text: string): boolean {
  return SCHEME.test(text)
}

const IPV4 = /^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?!$)|$)){4}$/
const GROUP = /^[0-9A-Fa-f]{1,4}$/

/** IPv4address (RFC 3986 section 3.2.2): four numbers without leading zeros. */
export function isIpv4(text: string): boolean {
  return IPV4.test(text)
}

/** IPv6address (RFC 3986 section 3.2.2): without brackets, and without a zone. */
export function isIpv6(text: string): boolean {
  const sides = text.split('::')
  if (sides.length === 1) return groups(text, true) === 8
  return sides.length === 2 && groups(sides[0], false) + groups(sides[1], true) <= 7
}

/** Number of 16-bit groups in one side of an IPv6 address, NaN if it is malformed. */
function groups(side: string, last: boolean): number {
  if (side === '') return 0
  const parts = side.split(':')
  let count = parts.length
  if (last && parts[count - 1].includes('.')) {
    if (!isIpv4(parts[count - 1])) return NaN
    parts.pop()
    count++
  }
  return parts.every((part) => GROUP.test(part)) ? count : NaN
}
