/// <reference types="node" preserve="true" />
export { request, tcp } from './lune-client.js'
export type { FetchParams, FetchParamsOptions, FetchResponse, TcpConfig, TcpStream } from './lune-client.js'
export { serve } from './lune-serve.js'
export type {
  ServeConfig, ServeHandle, ServeHttpHandler, ServeRequest, ServeResponse, ServeWebSocketHandler,
} from './lune-serve.js'
export { socket, type WebSocket } from './lune-websocket.js'
export { urlDecode, urlEncode } from '../client/url-coding.js'
