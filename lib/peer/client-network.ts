import { ipText, isMapped, parseIp } from './ip-address.js'

/** An IPv6 address with its first four groups written out, each in its shortest form, as most clients' are. */
const fourGroups = /^(?:(?:0|[1-9a-f][0-9a-f]{0,3}):){4}/

/**
 * The key of a client by its address, for `key`: an IPv4 address itself; of an IPv6 address the first 64 bits, such as
 * `2001:db8:0:1::/64`, since one client has all addresses that begin with them. Text that is no address is returned as it is.
 */
export function clientNetwork(ip: string): string {
  if (!ip.includes(':')) return ip
  // Saves a microsecond.
  const [groups] = fourGroups.exec(ip) ?? []
  if (groups !== undefined) return `${groups}:/64`
  const address = parseIp(ip)
  if (address === null) return ip
  return isMapped(address) ? ipText(address) : `${address.slice(0, 4).map((group) => group.toString(16)).join(':')}::/64`
}
