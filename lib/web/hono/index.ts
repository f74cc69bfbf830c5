export { getConnInfo } from './conn-info.js'
export { upgradeWebSocket, type HonoWebSocketOptions } from './upgrade-websocket.js'
