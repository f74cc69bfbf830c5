import { isIpv4, isIpv6 } from '../http1/grammar.js'

/** An IP address as the eight 16-bit groups of IPv6; IPv4 as IPv4-mapped (RFC 4291 section 2.5.5.2), so that both spellings are one. */
export type IpAddress = readonly number[]

/** The groups before an IPv4 address. */
const mapped = [0, 0, 0, 0, 0, 0xffff]

/** Reads an IPv4 or IPv6 address, without brackets; a zone is ignored. Null: it is neither. */
export function parseIp(text: string): IpAddress | null {
  if (isIpv4(text)) return [...mapped, ...ipv4Groups(text)]
  const plain = text.replace(/%[\w.-]+$/, '')
  if (!isIpv6(plain)) return null
  const [before, after] = plain.split('::').map(groupsOf)
  if (after === undefined) return before
  return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after]
}

/** The canonical text of an address (RFC 5952): of an IPv4-mapped one as IPv4. */
export function ipText(address: IpAddress): string {
  if (isMapped(address)) return address.slice(6).flatMap((group) => [group >> 8, group & 0xff]).join('.')
  let [from, length] = [-1, 1]
  for (let start = 0; start < 8; start++) {
    let end = start
    while (end < 8 && address[end] === 0) end++
    if (end - start > length) [from, length] = [start, end - start]
  }
  const hex = (groups: readonly number[]): string => groups.map((group) => group.toString(16)).join(':')
  return from < 0 ? hex(address) : `${hex(address.slice(0, from))}::${hex(address.slice(from + length))}`
}

/** Whether the address is an IPv4 address. */
export function isMapped(address: IpAddress): boolean {
  return mapped.every((group, index) => address[index] === group)
}

function groupsOf(side: string): number[] {
  if (side === '') return []
  return side.split(':').flatMap((group) => (group.includes('.') ? ipv4Groups(group) : [Number.parseInt(group, 16)]))
}

function ipv4Groups(text: string): [number, number] {
  const [a, b, c, d] = text.split('.').map(Number)
  return [a << 8 | b, c << 8 | d]
}
