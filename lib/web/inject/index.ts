/// <reference types="node" preserve="true" />
import { event, inCoroutine, pipe, portal, scope, type Event, type Op, type Portal, type Stream } from '../../../lev/index.js'
import { awaitableBy } from '../../../lev/internal.js'
import { Exchange } from '../../client/exchange.js'
import { factsOf, type ResponseFacts, type StreamedResponse } from '../../client/request.js'
import { ResponseBody } from '../../client/response-body.js'
import { lingerBytes, lingerSeconds } from '../../config/fixed-limits.js'
import { RequestError } from '../../errors.js'
import { readAll } from '../../pieces.js'
import type { Server } from '../../server/server.js'
import { asPromise, waiting } from '../../waiting.js'
import { injectRulesOf, type InjectOptions, type StreamInjectOptions } from './options.js'

export type { InjectOptions, StreamInjectOptions } from './options.js'

const clientIp = '127.0.0.1'

/** A response to `inject`. */
export interface InjectedResponse extends ResponseFacts {
  /** The content as sent, not decompressed; empty if there is none. */
  readonly body: Buffer
  /** The content, decoded as UTF-8. */
  text(): string
  /** The content, parsed as JSON. @throws RequestError if it is not JSON */
  json(): unknown
}

/**
 * Sends one request to a service, without a port, and waits for the whole response; with `stream: true`, for its head. The
 * service need not serve. In a coroutine `yield*` it, elsewhere await it. The request runs in the world in which `inject` is
 * called: with the virtual clock under `virtual`. Cancellation ends the request as if the client had left. A streamed response
 * ends when its body was read or closed, and in a coroutine at the latest with the nearest enclosing scope.
 * @throws ArgumentError; RequestError if there is no response; what the request's content throws
 */
export function inject(service: Server, options: StreamInjectOptions): Op<StreamedResponse> & Promise<StreamedResponse>
export function inject(service: Server, options: InjectOptions): Op<InjectedResponse> & Promise<InjectedResponse>
export function inject(service: Server, options: InjectOptions | StreamInjectOptions): Op<InjectedResponse | StreamedResponse> & Promise<InjectedResponse | StreamedResponse> {
  if (options.stream !== true) return waiting(() => whole(service, options))
  const world = portal()
  const begin = (): Promise<StreamedResponse> => streamedOutside(service, options, world)
  return inCoroutine() ? awaitableBy(streamed(service, options), begin) : asPromise(begin())
}

function* whole(service: Server, options: InjectOptions): Op<InjectedResponse> {
  // Streaming content is written by a task, which ends with the scope.
  return yield* scope(() => received(service, options))
}

function* received(service: Server, options: InjectOptions): Op<InjectedResponse> {
  const { exchange, client, served } = connect(service, options)
  try {
    yield* exchange.begin(false)
    const body = yield* readAll(() => exchange.next())
    // The handler's cleanup and the log line come before what the caller does next.
    yield* served.wait()
    return { ...factsOf(exchange), body, text: () => textOf(body), json: () => jsonOf(body) }
  } finally {
    client.reset()
    exchange.close()
    yield* served.wait()
  }
}

function* streamed(service: Server, options: StreamInjectOptions): Op<StreamedResponse> {
  return responseOf(yield* begun(service, options))
}

function* begun(service: Server, options: StreamInjectOptions): Op<Exchange> {
  const { exchange } = connect(service, options)
  yield* exchange.begin(false)
  return exchange
}

function responseOf(exchange: Exchange): StreamedResponse {
  return { ...factsOf(exchange), body: new ResponseBody(exchange, exchange, (error) => error) }
}

/** For async code: the exchange lasts until its body was read or closed. */
function streamedOutside(service: Server, options: StreamInjectOptions, world: Portal): Promise<StreamedResponse> {
  return new Promise((resolve, reject) => {
    world.run(function* () {
      const exchange = yield* begun(service, options)
      resolve(responseOf(exchange))
      yield* exchange.ended()
    }).catch(reject)
  })
}

/** A request that is ready to be sent on a pipe, at whose other end `service` serves it. `served`: the service is done with it. */
function connect(service: Server, options: InjectOptions | StreamInjectOptions): { exchange: Exchange; client: Stream; served: Event } {
  const request = injectRulesOf(options)
  const [client, peer] = pipe()
  const served = event()
  let complete = false
  const exchange = new Exchange(client, request, { stream: request.stream, timeout: Infinity, maxBodySize: Infinity }, () => {
    complete = true
    if (served.isSet) client.close()
  })
  // Beside the task of the caller: if that is cancelled, the service sees a client that leaves.
  void portal().run(function* () {
    try {
      yield* service.process_request(peer, clientIp, 1)
    } finally {
      served.set()
    }
    if (complete) client.close()
    yield* peer.linger(lingerSeconds, lingerBytes)
  })
  return { exchange, client, served }
}

function textOf(body: Buffer): string {
  return new TextDecoder().decode(body)
}

function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(textOf(body)) as unknown
  } catch (error) {
    throw new RequestError('the body of the response is not JSON', { cause: error })
  }
}
