import type { Op } from '../../lev/index.js'
import type { Connection } from './connection.js'
import type { Service } from './service.js'
import { proxyStep } from './proxy-step.js'
import { tlsStep } from './tls-step.js'

/**
 * A step of a connection before its first request: a handshake, a header of a proxy, a choice of protocol. False: the connection
 * ends here. A step logs the faults of clients itself, responds to them if it can, and returns false; what it throws is logged
 * as an error.
 */
export type PrefaceStep = (connection: Connection) => Op<boolean>

/** What the place at which a connection has arrived says of it. */
export interface Place {
  /** Whether it has no TLS, even if the server has certificates. */
  readonly isPlain: boolean
  /** Port to which its requests are redirected, of the server with TLS; null: they are served. */
  readonly redirect: number | null
}

/** The steps of a connection that is accepted now at `place`, in order. */
export function prefaceOf({ identities, settings }: Service, { isPlain, redirect }: Place): readonly PrefaceStep[] {
  const steps: PrefaceStep[] = settings.proxy_protocol.length > 0 ? [proxyStep] : []
  if (identities !== null && !isPlain) steps.push((connection) => tlsStep(connection, identities))
  if (redirect !== null) steps.push((connection) => redirectStep(connection, redirect))
  return steps
}

// eslint-disable-next-line require-yield
function* redirectStep({ peer }: Connection, port: number): Op<boolean> {
  peer.redirect = port
  return true
}

/** Runs the steps. False: the connection ends without a request. */
export function* runPreface(connection: Connection, steps: readonly PrefaceStep[]): Op<boolean> {
  for (const step of steps) if (!(yield* step(connection))) return false
  connection.client.readDeadline = Infinity
  return true
}
