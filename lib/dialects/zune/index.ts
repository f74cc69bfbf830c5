/// <reference types="node" preserve="true" />
export { serve } from './serve.js'
export type { ServeOptions, ServerHandle, ServerRequest, ServerResponse, ServerWebSocketHandlers } from './serve.js'
export { request } from './request.js'
export type { BareRequestOptions, BodyRequestOptions, RequestOptions, Response } from './request.js'
export type { Attempt } from './attempt.js'
export type { WebSocket } from './websocket.js'
export { websocket, type ClientWebSocket } from './client-websocket.js'
