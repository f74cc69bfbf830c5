import { HOST_NAME } from './bytes.js'
import { isIpv6 } from './grammar.js'

// Not imported: see field-lines.ts.
const hostByte = HOST_NAME
const COLON = 0x3a

/**
 * uri-host [":" port] (RFC 3986 3.2) with a non-empty host. Two forms of the grammar are excluded because they allow a second
 * spelling of the same host: percent-encoding in a name, and address literals of a future version.
 */
const AUTHORITY = /^(?:\[([0-9A-Fa-f:.]+)\]|[0-9A-Za-z\-._~!$&'()*+,;=]+)(?::([0-9]{0,5}))?$/

/** Whether `text` is the host, with an optional port (0 to 65535), of an http or https URI (RFC 9110 4.2, 7.2). */
export function isAuthority(text: string): boolean {
  const match = AUTHORITY.exec(text)
  if (match === null) return false
  const [, ipv6, port] = match
  return Number(port ?? 0) <= 65535 && (ipv6 === undefined || isIpv6(ipv6))
}

/** Whether `text` is a valid target of CONNECT: a host and a port that is neither empty nor 0 (RFC 9110 9.3.6). */
export function isConnectTarget(text: string): boolean {
  return isAuthority(text) && Number(/:([0-9]+)$/.exec(text)?.[1] ?? 0) > 0
}

/** Fast path: whether the bytes are a host of letters, digits, "." and "-", with an optional port of at most four digits. */
export function isPlainHost(buf: Uint8Array, from: number, to: number): boolean {
  let i = from
  while (i < to && hostByte[buf[i]] !== 0) i++
  if (i === from) return false
  if (i === to) return true
  if (buf[i] !== COLON || to - i > 5) return false
  for (i++; i < to; i++) if (buf[i] < 0x30 || buf[i] > 0x39) return false
  return true
}
