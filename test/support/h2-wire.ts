import { connect, type Socket } from 'node:net'

/**
 * Just enough of HTTP/2 (RFC 9113) to send requests that no client library would: header fields go as they are given, without
 * compression. It shares no code with the server.
 */
export type Fields = readonly (readonly [name: string, value: string])[]

const types = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7 } as const
const flags = { endStream: 1, ack: 1, endHeaders: 4 } as const

function frame(type: number, flag: number, stream: number, content: Buffer): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(content.length, 0, 3)
  head[3] = type
  head[4] = flag
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, content])
}

/** Text of any length, without Huffman coding (RFC 7541 section 5.2). */
function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  const length = []
  for (let rest = bytes.length - 127; rest >= 0; rest = Math.floor(rest / 128)) {
    length.push(rest < 128 ? rest : 128 | (rest % 128))
    if (rest < 128) break
  }
  return Buffer.concat([Buffer.from([Math.min(bytes.length, 127), ...length]), bytes])
}

/** Literal fields with new names, which go into no table (RFC 7541 section 6.2.2). */
function block(fields: Fields): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]))
}

/** The frames of one request; `body` and `trailers` null: none. */
export function h2Request(stream: number, fields: Fields, body: string | null, trailers: Fields | null = null): Buffer {
  const last = trailers === null ? flags.endStream : 0
  const frames = [frame(types.headers, flags.endHeaders | (body === null ? last : 0), stream, block(fields))]
  if (body !== null) frames.push(frame(types.data, last, stream, Buffer.from(body, 'latin1')))
  if (trailers !== null) frames.push(frame(types.headers, flags.endHeaders | flags.endStream, stream, block(trailers)))
  return Buffer.concat(frames)
}

/**
 * Sends requests on one connection to the Unix socket `path`, and waits until each has its response, or was reset, or the
 * connection has ended.
 */
export async function h2Exchange(path: string, requests: readonly Buffer[]): Promise<void> {
  const socket = connect(path)
  socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(types.settings, 0, 0, Buffer.alloc(0)), ...requests]))
  try {
    await new Promise<void>((resolve) => {
      let left = requests.length
      socket.on('error', () => {}).on('close', () => resolve())
      eachFrame(socket, (type, flag, content) => {
        if (type === types.settings && flag === 0) socket.write(frame(types.settings, flags.ack, 0, Buffer.alloc(0)))
        else if (type === types.ping && flag === 0) socket.write(frame(types.ping, flags.ack, 0, content))
        else if (type === types.goaway) return resolve()
        const ends = type === types.reset || ((type === types.data || type === types.headers) && (flag & flags.endStream) !== 0)
        if (ends && --left === 0) resolve()
      })
    })
  } finally {
    socket.destroy()
  }
}

function eachFrame(socket: Socket, take: (type: number, flag: number, content: Buffer) => void): void {
  let bytes = Buffer.alloc(0)
  socket.on('data', (more: Buffer) => {
    bytes = Buffer.concat([bytes, more])
    while (bytes.length >= 9 && bytes.length >= 9 + bytes.readUIntBE(0, 3)) {
      const end = 9 + bytes.readUIntBE(0, 3)
      take(bytes[3], bytes[4], bytes.subarray(9, end))
      bytes = bytes.subarray(end)
    }
  })
}
