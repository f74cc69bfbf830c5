import type { Check } from '../config/validators.js'
import { refuse } from '../config/validators.js'
import { ipText, isMapped, parseIp, type IpAddress } from './ip-address.js'

/** A range of addresses: those that begin with the first `bits` of `address`. */
interface Range {
  readonly address: IpAddress
  readonly bits: number
}

const named: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1'],
  /** A Unix socket has no address. */
  unix: [],
}

const known = new WeakMap<readonly string[], Networks>()

/** Some networks, as a setting lists them: addresses, ranges such as "10.0.0.0/8", "loopback", and "unix" for Unix sockets. */
export class Networks {
  readonly #ranges: readonly Range[]
  readonly #unix: boolean

  /** Those of a setting, which is frozen. */
  static of(listed: readonly string[]): Networks {
    let networks = known.get(listed)
    if (networks === undefined) known.set(listed, networks = new Networks(listed))
    return networks
  }

  /** @param listed as accepted by `network` */
  constructor(listed: readonly string[]) {
    this.#unix = listed.includes('unix')
    this.#ranges = listed.flatMap((text) => named[text] ?? [text]).flatMap((text) => rangeOf(text) ?? [])
  }

  /** @param ip an address as text; empty for the other end of a Unix socket */
  includes(ip: string): boolean {
    if (ip === '') return this.#unix
    const address = parseIp(ip)
    return address !== null && this.#ranges.some((range) => covers(range, address))
  }
}

/** An address, a range of them, or a name for some. The result is in canonical form. */
export const network: Check<string> = (value, key) => {
  const expected = 'an IP address, a range such as "10.0.0.0/8", "loopback" or "unix"'
  if (typeof value !== 'string') return refuse(key, value, expected)
  if (Object.hasOwn(named, value)) return value
  const range = rangeOf(value)
  if (range === null) return refuse(key, value, expected)
  const first = firstOf(range)
  if (!covers({ ...range, bits: 128 }, first)) return refuse(key, value, expected, `did you mean "${rangeText({ ...range, address: first })}"?`)
  return rangeText(range)
}

function rangeOf(text: string): Range | null {
  const [before, after, ...more] = text.split('/')
  const address = text.includes('%') ? null : parseIp(before)
  if (address === null || more.length > 0) return null
  if (after === undefined) return { address, bits: 128 }
  // The 96 bits before an IPv4 address.
  const ahead = before.includes(':') ? 0 : 96
  const bits = /^\d{1,3}$/.test(after) ? Number(after) + ahead : NaN
  return bits <= 128 && String(bits - ahead) === after ? { address, bits } : null
}

function rangeText({ address, bits }: Range): string {
  const text = ipText(address)
  if (bits === 128) return text
  return isMapped(address) && bits >= 96 ? `${text}/${bits - 96}` : `${text}/${bits}`
}

/** The first address of a range. */
function firstOf({ address, bits }: Range): IpAddress {
  return address.map((group, index) => group & maskOf(bits - 16 * index))
}

function covers({ address, bits }: Range, other: IpAddress): boolean {
  return address.every((group, index) => ((group ^ other[index]) & maskOf(bits - 16 * index)) === 0)
}

/** The first `bits` bits of a group. */
function maskOf(bits: number): number {
  return bits >= 16 ? 0xffff : bits <= 0 ? 0 : 0xffff << 16 - bits & 0xffff
}
