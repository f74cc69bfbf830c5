import { isAuthority } from '../http1/authority.js'
import { trimmed } from '../http1/bytes.js'
import { listMembers } from '../http1/grammar.js'
import { readParameters } from '../http1/parameters.js'
import { ipText, parseIp } from './ip-address.js'
import type { Networks } from './networks.js'

/** The header fields in which proxies tell whom they speak for. */
export type ForwardedFields = 'x-forwarded' | 'forwarded'

/** Where a request came from, as proxies tell. */
export interface Origin {
  readonly ip: string
  /** 0 if it is not told. */
  readonly port: number
  /** Null if it is not told. */
  readonly scheme: 'http' | 'https' | null
  /** Host and port of the request as the client made it; null if it is not told. */
  readonly host: string | null
}

/** What one proxy has written. Undefined: it says nothing of that. */
interface Hop {
  readonly client: string | undefined
  readonly scheme: string | undefined
  readonly host: string | undefined
}

/** An address that stands for another one: it is not known, or not told (RFC 7239 sections 6.2 and 6.3). */
const NO_ADDRESS = /^(?:unknown|_[A-Za-z0-9._-]+)(?::(?:\d{1,5}|_[A-Za-z0-9._-]+))?$/i

/**
 * Where a request came from. From the last proxy on, each that is trusted is believed; the first that is not, or whose address
 * is not told, is the client. Its scheme and host are those told of it, never those of another proxy.
 *
 * @param from the address of the last proxy; empty for the other end of a Unix socket
 * @returns null if the last proxy is not trusted
 */
export function originOf(
  fields: { get(name: string): string | undefined }, family: ForwardedFields, from: string, trusted: Networks,
): Origin | null {
  if (!trusted.includes(from)) return null
  const hops = family === 'forwarded' ? forwardedHops(fields.get('forwarded')) : legacyHops(fields)
  let origin: Origin = { ip: from, port: 0, scheme: null, host: null }
  for (let index = hops.length - 1; index >= 0 && trusted.includes(origin.ip); index--) {
    const hop = hops[index]
    if (hop === null) break
    const client = hop.client === undefined || NO_ADDRESS.test(hop.client) ? 'untold' : addressOf(hop.client)
    if (client === null) break
    const { ip, port } = client === 'untold' ? origin : client
    origin = { ip, port, scheme: schemeOf(hop.scheme), host: hop.host !== undefined && isAuthority(hop.host) ? hop.host : null }
    if (client === 'untold') break
  }
  return origin
}

/** The elements of Forwarded (RFC 7239 section 4), in order; null for a malformed one. */
function forwardedHops(value: string | undefined): readonly (Hop | null)[] {
  return elementsOf(value ?? '').map((element) => {
    const pairs = readParameters(`;${element}`, 0)
    return pairs === null ? null : { client: pairs.get('for'), scheme: pairs.get('proto'), host: pairs.get('host') }
  })
}

/**
 * The members of a list, of which commas in quoted strings are no ends. They are sought from the end: a quote that a client has
 * left open does not take in what a proxy has added after it.
 */
function elementsOf(list: string): string[] {
  const elements: string[] = []
  let quoted = false
  let end = list.length
  for (let index = list.length - 1; index >= -1; index--) {
    if (list[index] === '"' && !(quoted && isEscaped(list, index))) quoted = !quoted
    if (index >= 0 && (quoted || list[index] !== ',')) continue
    elements.unshift(trimmed(list.slice(index + 1, end)))
    end = index
  }
  return elements.filter((element) => element !== '')
}

/** Whether an odd number of backslashes stands before `index`. */
function isEscaped(text: string, index: number): boolean {
  let from = index
  while (text[from - 1] === '\\') from--
  return (index - from) % 2 === 1
}

/**
 * The hops of X-Forwarded-For, -Proto and -Host. A proxy either adds to these fields or replaces them, so they are aligned at
 * their ends; of a field with fewer members, the first belongs to all hops before it.
 */
function legacyHops(fields: { get(name: string): string | undefined }): readonly Hop[] {
  const [clients, schemes, hosts] = ['for', 'proto', 'host'].map((name) => listMembers(fields.get(`x-forwarded-${name}`) ?? ''))
  const count = Math.max(clients.length, Math.min(1, schemes.length + hosts.length))
  return Array.from({ length: count }, (_, index) => {
    const at = (members: readonly string[]): string | undefined => members[Math.max(0, members.length - count + index)]
    return { client: clients[index], scheme: at(schemes), host: at(hosts) }
  })
}

/** Reads an address: IPv6 with or without brackets, and any with a port. Null: it is none. */
function addressOf(text: string): { readonly ip: string; readonly port: number } | null {
  const match = /^(?:\[([^\]]+)\]|([^:]+)|([^[]*:[^[]*))(?::(\d{1,5}|_[A-Za-z0-9._-]+))?$/.exec(text)
  if (match === null) return null
  const [, bracketed, name, bare, port] = match
  const address = parseIp(bracketed ?? name ?? bare ?? '')
  if (address === null || (bracketed !== undefined && !bracketed.includes(':'))) return null
  const number = /^\d+$/.test(port ?? '') ? Number(port) : 0
  return number > 65535 ? null : { ip: ipText(address), port: number }
}

/** Of a WebSocket, some proxies tell "ws" or "wss". */
function schemeOf(text: string | undefined): 'http' | 'https' | null {
  const scheme = text?.toLowerCase()
  if (scheme === 'https' || scheme === 'wss') return 'https'
  return scheme === 'http' || scheme === 'ws' ? 'http' : null
}
