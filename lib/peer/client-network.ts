import { asArguments } from '../config/arguments.js'
import { integer, type Check } from '../config/validators.js'
import { ipText, isMapped, parseIp } from './ip-address.js'

/** Bits that most providers give one client. */
const usual = 64

/** An IPv6 address with its first four groups written out, each in its shortest form, as most clients' are. */
const fourGroups = /^(?:(?:0|[1-9a-f][0-9a-f]{0,3}):){4}/

/** Checks how many bits of an IPv6 address belong to its client's network. */
export const ipv6Prefix: Check<number> = integer(32, 128, 'bits')

/**
 * The key of a client by its address, for `key`: an IPv4 address itself; of an IPv6 address the network, such as
 * `2001:db8:0:1::/64`, since one client has all addresses in it. Text that is no address is returned as it is.
 * @param prefix bits of an IPv6 address that are its network, from 32 to 128
 * @throws ArgumentError for another prefix
 */
export function clientNetwork(ip: string, prefix = usual): string {
  if (prefix !== usual) asArguments(() => ipv6Prefix(prefix, 'prefix'))
  if (!ip.includes(':')) return ip
  // Saves a microsecond.
  const [groups] = (prefix === usual ? fourGroups.exec(ip) : null) ?? []
  if (groups !== undefined) return `${groups}:/64`
  const address = parseIp(ip)
  if (address === null) return ip
  if (isMapped(address)) return ipText(address)
  const network = address.slice(0, Math.ceil(prefix / 16))
  network[network.length - 1] &= 0xffff << (16 * network.length - prefix)
  return `${network.map((group) => group.toString(16)).join(':')}${network.length < 8 ? '::' : ''}/${prefix}`
}
