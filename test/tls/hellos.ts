/** Builds ClientHello messages, right and wrong ones. */

const uint = (size: number, value: number): Buffer => {
  const bytes = Buffer.alloc(size)
  bytes.writeUIntBE(value, 0, size)
  return bytes
}

export const vector = (size: number, content: Buffer): Buffer => Buffer.concat([uint(size, content.length), content])

export const extension = (type: number, content: Buffer): Buffer => Buffer.concat([uint(2, type), vector(2, content)])

export const nameEntry = (name: string | Buffer, type = 0): Buffer =>
  Buffer.concat([uint(1, type), vector(2, Buffer.from(name))])

export const serverName = (...entries: Buffer[]): Buffer => extension(0, vector(2, Buffer.concat(entries)))

export interface HelloParts {
  session?: Buffer
  ciphers?: Buffer
  compressions?: Buffer
  /** Null: none at all. */
  extensions?: Buffer[] | null
  tail?: Buffer
}

/** The body of a ClientHello. */
export function helloBody(parts: HelloParts = {}): Buffer {
  const { session = Buffer.alloc(32, 1), ciphers = Buffer.from('1301c02f', 'hex') } = parts
  const { compressions = Buffer.from([0]) } = parts
  return Buffer.concat([
    Buffer.from('0303', 'hex'), Buffer.alloc(32, 7), vector(1, session), vector(2, ciphers), vector(1, compressions),
    parts.extensions === null ? Buffer.alloc(0) : vector(2, Buffer.concat(parts.extensions ?? [])),
    parts.tail ?? Buffer.alloc(0),
  ])
}

export const message = (body: Buffer, type = 1): Buffer => Buffer.concat([uint(1, type), vector(3, body)])

export const record = (content: Buffer, type = 22, version = 0x0301): Buffer =>
  Buffer.concat([uint(1, type), uint(2, version), vector(2, content)])

/** A message in records of at most `size` bytes. */
export function records(content: Buffer, size = 16384): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < content.length; at += size) parts.push(record(content.subarray(at, at + size)))
  return Buffer.concat(parts)
}

/** A whole hello that asks for `name`, among other extensions: good for TLS 1.2 with an RSA certificate. */
export function helloFor(name: string, size?: number): Buffer {
  const groups = extension(10, Buffer.from('0004001d0017', 'hex'))
  const signatures = extension(13, Buffer.from('000408040401', 'hex'))
  const extensions = [extension(23, Buffer.alloc(0)), serverName(nameEntry(name)), groups, signatures]
  return records(message(helloBody({ extensions })), size)
}
