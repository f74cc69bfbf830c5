import type { Op } from '../../lev/index.js'
import type { Connection } from './connection.js'
import type { Place } from './place.js'
import type { Service } from './service.js'
import { clientStep } from './client-step.js'
import { proxyStep } from './proxy-step.js'
import { tlsStep } from './tls-step.js'

/**
 * A step of a connection before its first request: a handshake, a header of a proxy, a choice of protocol. False: the connection
 * ends here. A step logs the faults of clients itself, responds to them if it can, and returns false; what it throws is logged
 * as an error.
 */
export type PrefaceStep = (connection: Connection) => Op<boolean>

/** The steps of a connection that is accepted now, in order. */
export function prefaceOf({ identities, settings }: Service, { isPlain }: Place): readonly PrefaceStep[] {
  const hasTls = identities !== null && !isPlain
  const steps: PrefaceStep[] = settings.proxy_protocol.length > 0 ? [proxyStep] : []
  if (steps.length > 0 && settings.connections_per_client !== null) steps.push((connection) => clientStep(connection, !hasTls))
  if (hasTls) steps.push((connection) => tlsStep(connection, identities))
  return steps
}

/** Runs the steps. False: the connection ends without a request. */
export function* runPreface(connection: Connection, steps: readonly PrefaceStep[]): Op<boolean> {
  for (const step of steps) if (!(yield* step(connection))) return false
  connection.client.readDeadline = Infinity
  return true
}
