/// <reference types="node" preserve="true" />
import type { Config } from './config/settings.js'
import type { Handler } from './request/handler.js'
import { ConfigError } from './errors.js'
import { Server } from './server/server.js'
import { tellOnOneLine } from './server/uncaught.js'
import { IdentityError } from '../tls/index.js'

/**
 * Makes a server; `serve` runs it.
 * @throws ConfigError naming the invalid setting; IdentityError for a certificate or key that cannot be used
 */
function create(config: Config, handle: Handler): Server {
  try {
    return new Server(config, handle)
  } catch (error) {
    if (error instanceof ConfigError || error instanceof IdentityError) tellOnOneLine(error)
    throw error
  }
}

export { create as new }
export { type Server } from './server/server.js'
export type { StopOptions, StopRequest } from './server/stop-times.js'
export type { HstsSettings } from './config/hsts.js'
export type { ListenSource } from './config/listen-settings.js'
export { defaults, type Config, type ConfigChanges, type Settings } from './config/settings.js'
export type { Context } from './request/context.js'
export type { SocketPeer } from './server/peer.js'
export type { ProxiedAddress, ProxyHeader } from './peer/proxy-header.js'
export type { ProxiedTls } from './peer/proxy-tlvs.js'
export { ArgumentError, BindError, BodyError, ConfigError, LeveretError, RequestError, StateError, UpgradeError } from './errors.js'
export { eventStream, type EventFields, type EventSender, type EventStreamOptions } from './response/event-stream.js'
export type { NextAction } from './request/exchange.js'
export type { Content, Handler, HandlerResult, ResponseParts } from './request/handler.js'
export type { Form, FormFile } from './request/form.js'
export type { FormPart, FormParts } from './request/form-parts.js'
export type { RequestBody } from './request/request-body.js'
export type { RequestHeaders } from './http1/headers.js'
export { ResponseError, type HeaderValue, type ResponseHeaders } from './http1/response-headers.js'
export type { Logger, LoggerLike, LogLevel, LogMethod } from './log/logger.js'
export type { LogFormat } from './log/terminal.js'
export type { Out } from './response/out.js'
export type { StreamingContent, Writer } from './response/content-source.js'
export { wrap, type Around, type Next, type WrappedRequest, type WrappedResponse } from './web/wrap.js'
export { webSocketCallbacks, type Callbacks } from './websocket/callbacks.js'
export type { CompressionOptions, MessageRate, WebSocketOptions } from './websocket/options.js'
export type { Upgrade, WebSocketHandler } from './websocket/upgrade.js'
export type { Message, WebSocket } from './websocket/websocket.js'
export { type TlsChanges } from './config/tls-settings.js'
export { IdentityError, type IdentityConfig, type TlsConfig } from '../tls/index.js'
export {
  request, type ClientResponse, type ClientValue, type RequestContent, type RequestOptions, type ResponseFacts, type StreamedResponse, type StreamRequestOptions,
} from './client/request.js'
export type { ResponseBody } from './client/response-body.js'
export { tcp, type TcpOptions } from './client/tcp.js'
export { websocket } from './client/websocket.js'
export type { WebSocketClientOptions } from './client/websocket-options.js'
export { urlDecode, urlEncode } from './client/url-coding.js'
export type { ClientTlsOptions } from '../tls/index.js'

// Names of 0.1.0; they go with the next version.
export type {
  /** @deprecated Use `HandlerResult`. */
  HandlerResult as Answer,
  /** @deprecated Use `ResponseParts`. */
  ResponseParts as AnswerParts,
} from './request/handler.js'
export type {
  /** @deprecated Use `NextAction`. */
  NextAction as Disposition,
} from './request/exchange.js'
