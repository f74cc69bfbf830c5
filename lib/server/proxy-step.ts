import { now, TimeoutError, ClosedError, type Op } from '../../lev/index.js'
import { rejections, NEED_MORE, type Rejection } from '../http1/rejection.js'
import { Networks } from '../peer/networks.js'
import { beginsProxyHeader, ProxyHeaderFault, readProxyHeader } from '../peer/proxy-header.js'
import { rejectEarly } from './reject-early.js'
import type { Connection } from './connection.js'

/**
 * Reads the header of the PROXY protocol: a step of the preface. A peer in `proxy_protocol` must send one, another one must not:
 * it could claim any address.
 */
export function* proxyStep(connection: Connection): Op<boolean> {
  const { client, peer, settings } = connection
  const listed = Networks.of(settings.proxy_protocol).includes(peer.ip)
  try {
    yield* connection.waitForInput(now() + settings.request_header_timeout)
    // A load balancer that checks whether the server is there may connect and leave.
    if (client.inputStart === client.inputEnd) return false
    const fault = listed ? yield* takeHeader(connection) : yield* checkAbsence(connection)
    if (fault === null) return true
    // That of a listed peer is a mistake in somebody's configuration.
    if (listed) connection.logger.warn({ client_ip: peer.ip, reason: fault.reason }, 'the PROXY header of a listed peer is not right')
    yield* rejectEarly(connection, fault)
  } catch (error) {
    if (!(error instanceof TimeoutError || error instanceof ClosedError)) throw error
  }
  return false
}

/** Reads the header of a peer that must send one. */
function* takeHeader({ client, peer }: Connection): Op<Rejection | null> {
  for (;;) {
    const read = readProxyHeader(client.input, client.inputStart, client.inputEnd)
    if (read instanceof ProxyHeaderFault) return rejections.proxyHeader(read.reason)
    if (read !== NEED_MORE) {
      client.consume(read.size)
      peer.takeHeader(read.header)
      return null
    }
    if (!(yield* client.fill())) return rejections.proxyHeader('it is cut off')
  }
}

function* checkAbsence({ client }: Connection): Op<Rejection | null> {
  for (;;) {
    const begun = beginsProxyHeader(client.input, client.inputStart, client.inputEnd)
    if (begun === 'yes') return rejections.proxyHeaderUnlisted
    // A request that ends here is the matter of whoever reads requests.
    if (begun === 'no' || !(yield* client.fill())) return null
  }
}
