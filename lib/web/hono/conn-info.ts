// Only types are taken from Hono, so that Leveret does not depend on it.
import type { GetConnInfo } from 'hono/conninfo'
import { Context } from '../../request/context.js'
import { contextOf } from './context.js'

/**
 * Hono's `getConnInfo`: address and port of the client that sent the request, undefined where they are not known.
 * @throws ArgumentError if the bindings of the application lack those of `fromFetch`
 */
export const getConnInfo: GetConnInfo = (c) => {
  const { ip, port } = Context.peer(contextOf(c))
  if (ip === '') return { remote: {} }
  const addressType = ip.includes(':') ? 'IPv6' : 'IPv4'
  return { remote: { address: ip, addressType, port: port === 0 ? undefined : port, transport: 'tcp' } }
}
