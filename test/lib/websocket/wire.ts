import { createHash } from 'node:crypto'
import type { Op } from '../../../lev/index.js'
import type { VirtualClient, World } from '../../support/virtual.js'

/** A frame as a test sees it. */
export interface Frame {
  readonly fin: boolean
  /** The three reserved bits. */
  readonly rsv: number
  readonly opcode: number
  /** Unmasked. */
  readonly content: Buffer
  readonly masked: boolean
}

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** Bytes of one frame; shares no code with the server. `mask` null: none. */
export function frame(
  opcode: number, content: string | Buffer = '', { fin = true, rsv = 0, mask = 'mask' as string | null } = {},
): Buffer {
  const bytes = Buffer.from(content)
  const length = bytes.length < 126
    ? [bytes.length]
    : bytes.length < 65536
      ? [126, bytes.length >> 8, bytes.length & 255]
      : [127, 0, 0, 0, 0, ...[24, 16, 8, 0].map((shift) => (bytes.length >>> shift) & 255)]
  const head = Buffer.from([(fin ? 128 : 0) | (rsv << 4) | opcode, ...length])
  if (mask === null) return Buffer.concat([head, bytes])
  head[1] |= 128
  const key = Buffer.from(mask, 'latin1')
  return Buffer.concat([head, key, bytes.map((byte, i) => byte ^ key[i % 4])])
}

export function closeFrame(code: number, reason = ''): Buffer {
  return frame(opcodes.close, Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]))
}

/** The whole frames in `bytes`, and how many bytes are left behind them. */
export function frames(bytes: Buffer): { frames: Frame[]; rest: number } {
  const found: Frame[] = []
  let at = 0
  for (;;) {
    if (bytes.length - at < 2) break
    const masked = (bytes[at + 1] & 128) !== 0
    let length = bytes[at + 1] & 127
    let start = at + 2
    if (length === 126) {
      if (bytes.length < start + 2) break
      length = bytes.readUInt16BE(start)
      start += 2
    } else if (length === 127) {
      if (bytes.length < start + 8) break
      length = Number(bytes.readBigUInt64BE(start))
      start += 8
    }
    const key = bytes.subarray(start, start + 4)
    if (masked) start += 4
    if (bytes.length < start + length) break
    const raw = bytes.subarray(start, start + length)
    const content = masked ? Buffer.from(raw.map((byte, i) => byte ^ key[i % 4])) : raw
    found.push({ fin: (bytes[at] & 128) !== 0, rsv: (bytes[at] >> 4) & 7, opcode: bytes[at] & 15, content, masked })
    at = start + length
  }
  return { frames: found, rest: bytes.length - at }
}

/** A frame in short, for comparing: "text hello", "close 1000 bye", "ping". */
export function show({ opcode, content, fin, rsv }: Frame): string {
  const name = Object.entries(opcodes).find(([, code]) => code === opcode)?.[0] ?? `opcode ${opcode}`
  const text = opcode === opcodes.close && content.length >= 2
    ? `${content.readUInt16BE(0)}${content.length > 2 ? ` ${content.toString('utf8', 2)}` : ''}`
    : opcode === opcodes.binary || rsv !== 0 ? content.toString('hex') : content.toString()
  return `${name}${fin ? '' : '...'}${rsv === 0 ? '' : ` rsv${rsv}`}${text === '' ? '' : ` ${text}`}`
}

export const key = 'dGhlIHNhbXBsZSBub25jZQ=='
export const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')

/** A handshake; `headers` are added, or take the place of the usual ones; null takes one away. */
export function handshake(headers: Readonly<Record<string, string | null>> = {}, line = 'GET /chat HTTP/1.1'): string {
  const all: Record<string, string | null> = {
    Host: 'test', Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Key': key, 'Sec-WebSocket-Version': '13', ...headers,
  }
  const lines = Object.entries(all).filter(([, value]) => value !== null).map(([name, value]) => `${name}: ${value ?? ''}\r\n`)
  return `${line}\r\n${lines.join('')}\r\n`
}

/** A WebSocket's other end in a virtual world, as raw as the wire. */
export class Peer {
  readonly client: VirtualClient
  #at = 0

  constructor(client: VirtualClient) {
    this.client = client
  }

  /** Opens a connection, and sends a handshake and `early` right behind it. */
  static *open(world: World, headers: Readonly<Record<string, string | null>> = {}, early: Buffer = Buffer.alloc(0)): Op<Peer> {
    const peer = new Peer(yield* world.connect(handshake(headers)))
    if (early.length > 0) peer.client.send(early)
    yield* peer.head()
    return peer
  }

  /** The head of the response; what follows are frames. */
  *head(): Op<string> {
    for (;;) {
      const end = this.client.text.indexOf('\r\n\r\n')
      if (end >= 0) {
        this.#at = end + 4
        return this.client.text.slice(0, this.#at)
      }
      if (!(yield* this.client.more())) throw new Error(`no head: ${this.client.text}`)
    }
  }

  get frames(): Frame[] {
    return frames(this.client.received.subarray(this.#at)).frames
  }

  /** What came so far, in short. */
  get shown(): string[] {
    return this.frames.map(show)
  }

  /** Waits for `count` frames and shows them all. */
  *take(count: number): Op<string[]> {
    while (this.frames.length < count) if (!(yield* this.client.more())) break
    return this.shown
  }

  /** Every frame until the server ends the connection; the bytes must be nothing but frames. */
  *all(): Op<string[]> {
    while (yield* this.client.more());
    const { rest } = frames(this.client.received.subarray(this.#at))
    if (rest > 0) throw new Error(`${rest} bytes behind the last frame`)
    return this.shown
  }

  send(...bytes: Buffer[]): void {
    for (const one of bytes) this.client.send(one)
  }
}
