/// <reference types="node" preserve="true" />
import type { Config } from '../../config/settings.js'
import { ArgumentError } from '../../errors.js'
import type { Handler as CoreHandler } from '../../request/handler.js'
import { Reply } from './reply.js'
import { listening } from './server.js'
import type { Handler, Server } from './types.js'
import { visit } from './visit.js'
import { serverFor } from '../shared/serving.js'
import type { Waiting } from '../../waiting.js'

export type { Handler, Request, Response, Server, Socket } from './types.js'

const names = { port: 'port', requests_per_connection: 'finish' } as const

/**
 * Starts a server on all addresses of the machine, and returns it once the port is bound. An earlier server on the same port is
 * closed and replaced.
 * @param port 0 lets the system choose; see `getaddr`
 * @param settings settings of the core that have no argument here: `ip`, limits, timeouts, logs
 * @throws ArgumentError, ConfigError, IdentityError, at once
 * @throws BindError if the port cannot be bound
 */
export function createServer(
  port: number, handler: Handler, settings?: Omit<Config, 'port' | 'buffer_body' | 'requests_per_connection'> | null,
): Waiting<Server> {
  if (typeof handler !== 'function') throw new ArgumentError('handler', `createServer: handler must be a function, got ${typeof handler}`)
  if (port === undefined || port === null) throw new ArgumentError('port', 'createServer: port is missing')
  const respond: CoreHandler = (method, path, args, _headers, _body, ctx) => {
    const reply = new Reply(method)
    const url = args === '' ? path : `${path}?${args}`
    // Detached, because the handler may go on after the response.
    ctx.detach(() => visit({ method, url, ctx }, reply, handler))
    return reply.response()
  }
  return listening((port, ip) => {
    // `finish` closes the connection.
    const own: Config = { port, buffer_body: false, requests_per_connection: 1 }
    return serverFor(own, ip === null ? settings : { ...settings, ip }, names, respond, { ip: '0.0.0.0' })
  }, port)
}
