/// <reference types="node" preserve="true" />
export { request, tcp } from './client.js'
export type { FetchParams, FetchParamsOptions, FetchResponse, TcpConfig, TcpStream } from './client.js'
export { serve } from './serve.js'
export type {
  ServeConfig, ServeHandle, ServeHttpHandler, ServeRequest, ServeResponse, ServeWebSocketHandler,
} from './serve.js'
export { socket, type WebSocket } from './websocket.js'
export { urlDecode, urlEncode } from '../../client/url-coding.js'
