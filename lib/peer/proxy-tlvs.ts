import { crc32c } from './crc32c.js'

/** The TLS between a client and a proxy, as the proxy tells. */
export interface ProxiedTls {
  /** Such as "TLSv1.3"; null if it is not told. */
  readonly version: string | null
  /** Its cipher; null if it is not told. */
  readonly cipher: string | null
  /** The common name in the client's certificate; null if there is none, or it is not told. */
  readonly commonName: string | null
  /** Whether the client has shown a certificate that the proxy has verified, on this connection or one that it resumes. */
  readonly verified: boolean
}

/** What the extensions of a header say. */
export interface Told {
  readonly authority: string | null
  readonly alpn: string | null
  readonly uniqueId: Buffer | null
  readonly tls: ProxiedTls | null
}

/** Types of extensions (section 2.2 of the PROXY protocol). */
const ALPN = 0x01
const AUTHORITY = 0x02
const CRC32C = 0x03
const UNIQUE_ID = 0x05
const SSL = 0x20
const SSL_VERSION = 0x21
const SSL_CN = 0x22
const SSL_CIPHER = 0x23

const longestUniqueId = 128

/** Bits of the first byte of SSL: TLS was used; a certificate was shown on this connection; on one of this session. */
const CLIENT_SSL = 1
const CERTIFICATE = 2 | 4

/**
 * Reads the extensions of a header of version 2, each a type, a length and a value, and checks its checksum if there is one.
 * @param at where they begin in `bytes`, which is the whole header
 * @returns what they say, or what is wrong with them
 */
export function readTlvs(bytes: Buffer, at: number): Told | string {
  const found = split(bytes, at)
  if (found === null) return 'an extension is cut off'
  const checksum = found.get(CRC32C)
  if (checksum !== undefined && !fits(bytes, checksum)) return 'its checksum is wrong'
  const uniqueId = found.get(UNIQUE_ID)
  if (uniqueId !== undefined && uniqueId.length > longestUniqueId) return `its unique id has more than ${longestUniqueId} bytes`
  const tls = tlsOf(found.get(SSL))
  if (typeof tls === 'string') return tls
  const text = (type: number): string | null => found.get(type)?.toString() ?? null
  // A copy: the bytes belong to the connection's input.
  return { authority: text(AUTHORITY), alpn: text(ALPN), uniqueId: uniqueId === undefined ? null : Buffer.from(uniqueId), tls }
}

/** The extensions by type, each a view of `bytes`; of several with the same type the first. Null: one is cut off. */
function split(bytes: Buffer, at: number): Map<number, Buffer> | null {
  const found = new Map<number, Buffer>()
  while (at < bytes.length) {
    if (at + 3 > bytes.length) return null
    const end = at + 3 + bytes.readUInt16BE(at + 1)
    if (end > bytes.length) return null
    if (!found.has(bytes[at])) found.set(bytes[at], bytes.subarray(at + 3, end))
    at = end
  }
  return found
}

/** Whether `checksum`, a view of a part of `bytes`, is that of `bytes` with zeros in its own place. */
function fits(bytes: Buffer, checksum: Buffer): boolean {
  if (checksum.length !== 4) return false
  const plain = Buffer.from(bytes)
  plain.fill(0, checksum.byteOffset - bytes.byteOffset, checksum.byteOffset - bytes.byteOffset + 4)
  return crc32c(plain) === checksum.readUInt32BE(0)
}

function tlsOf(value: Buffer | undefined): ProxiedTls | null | string {
  if (value === undefined) return null
  const found = value.length < 5 ? null : split(value, 5)
  if (found === null) return 'an extension is cut off'
  if ((value[0] & CLIENT_SSL) === 0) return null
  const text = (type: number): string | null => found.get(type)?.toString() ?? null
  return {
    version: text(SSL_VERSION), cipher: text(SSL_CIPHER), commonName: text(SSL_CN),
    // 0: verified.
    verified: (value[0] & CERTIFICATE) !== 0 && value.readUInt32BE(1) === 0,
  }
}
