import type { X509Certificate } from 'node:crypto'

/** One label of a host name as used in practice: letters, digits, hyphen and underscore, no hyphen at either end. */
const label = /^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)$/

/**
 * A host name in its normal form, for comparisons: lower case, without the trailing dot.
 * Null if it is not a host name: empty labels, characters other than letters, digits, `-` and `_`, or more than 253 of them.
 */
export function normalHostName(name: string): string | null {
  const plain = name.endsWith('.') ? name.slice(0, -1) : name
  if (plain.length > 253) return null
  // Checked before lowercasing: some non-ASCII letters become ASCII ones.
  return plain.split('.').every((part) => label.test(part)) ? plain.toLowerCase() : null
}

/** Text of digits and dots is an address, not a name, and SNI never has addresses (RFC 6066 section 3). */
const allNumeric = /^[\d.]+$/

/**
 * The normal form of a name under which a certificate can be listed: a host name, or `*.` and a host name.
 * @throws Error whose message says what is wrong with `pattern`
 */
export function normalHostPattern(pattern: string): string {
  const wildcard = pattern.startsWith('*.')
  const name = normalHostName(wildcard ? pattern.slice(2) : pattern)
  if (pattern === '*') throw new Error('"*" alone is no host name: the default identity serves every other name')
  if (name !== null && !allNumeric.test(name)) return wildcard ? `*.${name}` : name
  if (name !== null || /^\[?[\da-f:.]*:[\da-f:.]*\]?$/i.test(pattern)) {
    throw new Error('clients do not ask for IP addresses by SNI: an address is served by the default identity')
  }
  if (pattern.includes('*')) throw new Error('a wildcard stands for the whole first label, as in "*.example.org"')
  if (/:\d+$/.test(pattern)) throw new Error('a host name has no port')
  if (/[^\x00-\x7f]/.test(pattern)) throw new Error('an international name is listed in its ASCII form ("xn--...")')
  throw new Error('not a host name')
}

/**
 * Whether a certificate covers a host name or a pattern, in their normal forms. Clients check only alternative names,
 * not the subject (RFC 9525 section 2).
 */
export function covers(certificate: X509Certificate, pattern: string): boolean {
  const name = pattern.startsWith('*.') ? `any-label${pattern.slice(1)}` : pattern
  return certificate.checkHost(name, { subject: 'never', partialWildcards: false }) !== undefined
}
