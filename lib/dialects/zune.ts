/// <reference types="node" preserve="true" />
export { serve } from './zune-serve.js'
export type { ServeOptions, ServerHandle, ServerRequest, ServerResponse, ServerWebSocketHandlers } from './zune-serve.js'
export { request } from './zune-request.js'
export type { BareRequestOptions, BodyRequestOptions, RequestOptions, Response } from './zune-request.js'
export type { Attempt } from './zune-attempt.js'
export type { WebSocket } from './zune-websocket.js'
export { websocket, type ClientWebSocket } from './zune-client-websocket.js'
