import type { X509Certificate } from 'node:crypto'

/** One label of a host name as met in practice: letters, digits, hyphen and underscore, no hyphen at an end. */
const label = /^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)$/

/**
 * A host name in the one form that names are compared in: lower case, without the trailing dot.
 * Null if it is none: with empty labels, anything but letters, digits, `-` and `_`, or more than 253 characters.
 */
export function normalHostName(name: string): string | null {
  const plain = name.endsWith('.') ? name.slice(0, -1) : name
  if (plain.length > 253) return null
  // Checked before the case is changed: some letters beyond ASCII turn into ASCII ones.
  return plain.split('.').every((part) => label.test(part)) ? plain.toLowerCase() : null
}

/** Text of digits and dots is no name: it would be an address, which SNI never carries (RFC 6066 section 3). */
const allNumeric = /^[\d.]+$/

/**
 * What a certificate may be listed for: a host name, or `*.` before one. In the form of `normalHostName`.
 * @throws Error whose message says what is wrong with it
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
 * Whether a certificate is good for a host name or a pattern, in their normal forms. Clients look at alternative names
 * alone, not at the subject (RFC 9525 section 2).
 */
export function covers(certificate: X509Certificate, pattern: string): boolean {
  const name = pattern.startsWith('*.') ? `any-label${pattern.slice(1)}` : pattern
  return certificate.checkHost(name, { subject: 'never', partialWildcards: false }) !== undefined
}
