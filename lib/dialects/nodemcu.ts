/// <reference types="node" preserve="true" />
import { spawn, wait } from '../../lev/index.js'
import type { Config } from '../config.js'
import { ArgumentError } from '../errors.js'
import { Reply } from './nodemcu-reply.js'
import type { Handler, Server } from './nodemcu-types.js'
import { visit } from './nodemcu-visit.js'
import { serverFor, started } from './serving.js'
import { waiting, type Waiting } from './waiting.js'

export type { Handler, Request, Response, Server, Socket } from './nodemcu-types.js'

/**
 * Starts a server on all addresses of the machine, and gives it once the port is bound.
 * @param port 0 lets the system choose; `getaddr` tells
 * @param settings those of the core for which there is no argument here: `ip`, limits, timeouts, logs
 * @throws ArgumentError, ConfigError, IdentityError, at once
 * @throws BindError when the port cannot be had
 */
export function createServer(port: number, handler: Handler, settings?: Omit<Config, 'port' | 'buffer_body'> | null): Waiting<Server> {
  if (typeof handler !== 'function') throw new ArgumentError('handler', `createServer: handler must be a function, got ${typeof handler}`)
  if (port === undefined || port === null) throw new ArgumentError('port', 'createServer: port is missing')
  const own: Config = { port, buffer_body: false }
  const core = serverFor(own, settings, { port: 'port' }, (method, path, args, headers, _body, ctx) => {
    const reply = new Reply(method)
    const url = args === '' ? path : `${path}?${args}`
    // It may go on for longer than the answer takes: so it is no part of that.
    spawn(() => visit({ method, url, headers, ctx }, reply, handler))
    return reply.answer()
  }, { ip: '0.0.0.0' })
  let closed = false
  return waiting(function* () {
    const { ip, port: bound } = yield* started(core)
    return {
      close() {
        closed = true
        const stopped = core.stop()
        return waiting(() => wait(stopped))
      },
      getaddr: () => (closed ? [null, null] : [bound, ip]),
    }
  })
}
