// A dialect as small as one can be: docs/contributing/dialects.md shows it.
import type { Config } from '../../../lib/config/settings.js'
import { responseOf, runHandler, type ResponseShape } from '../../../lib/dialects/shared/responding.js'
import { serverFor, splitSettings, started } from '../../../lib/dialects/shared/serving.js'
import { waiting, type Waiting } from '../../../lib/waiting.js'
import type { Handler as CoreHandler } from '../../../lib/request/handler.js'

/** What a handler is given. */
export interface TinyRequest {
  readonly verb: string
  readonly path: string
  readonly text: string
}

/** May be plain, a generator or async; returns a text, bytes, or `{ statusCode, headers, body }`. */
export type TinyHandler = (request: TinyRequest) => unknown

/** A server that listens. */
export interface TinyServer {
  readonly number: number
  close(): void
}

const shape: ResponseShape = { status: 'statusCode', textHeaders: { 'Content-Type': 'text/html; charset=utf-8' } }

export function listen(number: number, handler: TinyHandler, settings?: Config | null): Waiting<TinyServer> {
  const { core: added } = splitSettings(settings)
  const handle: CoreHandler = (method, path, _args, _headers, body) => {
    const request: TinyRequest = { verb: method, path, text: body?.toString() ?? '' }
    return runHandler<unknown>(() => handler(request), (given) => responseOf(given, shape))
  }
  const server = serverFor({ port: number }, added, { port: 'number' }, handle)
  return waiting(function* () {
    const address = yield* started(server)
    return { number: address.port, close: () => void server.stop().catch(() => {}) }
  })
}
