import { networkInterfaces } from 'node:os'
import type { Address } from '../../lev/index.js'
import { addressText, hostText } from '../../lev/internal.js'

/** How the log shows a bound address: as its URL, or for a wildcard those of every interface; a Unix socket as `unix:PATH`. */
export function listeningTexts(address: Address, secure: boolean): string[] {
  if (address.path !== undefined) return [address.path === '' ? 'an inherited Unix socket' : `unix:${addressText(address)}`]
  const { ip, port } = address
  const wildcard = ip === '0.0.0.0' || ip === '::'
  const interfaces = wildcard ? Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []) : []
  const ips = interfaces.filter(({ family, scopeid }) => (ip === '::' || family === 'IPv4') && !scopeid).map(({ address }) => address)
  return (ips.length > 0 ? ips : [ip]).map((one) => `http${secure ? 's' : ''}://${hostText(one)}:${port}`)
}
