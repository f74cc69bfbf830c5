import { createHash } from 'node:crypto'

/** What a client of WebSocket sends (RFC 6455), as far as a load needs it. */

const key = 'dGhlIHNhbXBsZSBub25jZQ=='

export const handshake = 'GET /socket HTTP/1.1\r\nHost: bench.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`

/** What a server must respond to `handshake`. */
export const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')

/** A whole message of text or of bytes; masked, as a client's must be. */
export function frame(payload: Buffer, text: boolean, masked: boolean): Buffer {
  const mask = Buffer.from([0x3a, 0x91, 0xc7, 0x5e])
  const length = payload.length
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8
  const head = Buffer.alloc(2 + extended)
  head[0] = text ? 0x81 : 0x82
  head[1] = (masked ? 0x80 : 0) | (extended === 0 ? length : extended === 2 ? 126 : 127)
  if (extended === 2) head.writeUInt16BE(length, 2)
  if (extended === 8) head.writeBigUInt64BE(BigInt(length), 2)
  if (!masked) return Buffer.concat([head, payload])
  return Buffer.concat([head, mask, payload.map((byte, index) => byte ^ mask[index & 3])])
}
