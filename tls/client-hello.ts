import { normalHostName } from './host-name.js'

/** The first bytes of a connection, as far as they were recognized. */
export type ClientHello =
  /** At least `atLeast` bytes are needed to decide. */
  | { readonly state: 'need-more'; readonly atLeast: number }
  /** Not the start of a TLS handshake: plain HTTP, for example. */
  | { readonly state: 'not-tls' }
  | { readonly state: 'malformed'; readonly reason: string }
  /** The requested name in its normal form; null if there is none or it is not a host name. */
  | { readonly state: 'hello'; readonly serverName: string | null }

/** Maximum size of the records, in bytes: most hellos have 0.3 to 2 KiB, but a session ticket may contain certificates. */
const sizeLimit = 64 * 1024
/** Maximum number of records of one hello, so that parsing again after each chunk stays cheap. */
const recordLimit = 64
const recordHead = 5
const messageHead = 4

const handshakeRecord = 22
const clientHelloMessage = 1
const serverNameExtension = 0
const hostNameType = 0

/**
 * Finds the server name (SNI) in the first bytes of a connection, so that the certificate can be chosen before the
 * handshake starts. As strict as the TLS library, which gets the same bytes afterwards. Never throws.
 *
 * Sources: RFC 8446 sections 4.1.2 (ClientHello) and 5.1 (a message may span records); RFC 6066 section 3 (SNI).
 */
export function readClientHello(bytes: Buffer): ClientHello {
  const first = firstMessage(bytes)
  return Buffer.isBuffer(first) ? readHello(new Reader(first)) : first
}

/** The body of the handshake message in the first records, if that is a complete ClientHello. */
function firstMessage(bytes: Buffer): Buffer | ClientHello {
  const fragments: Buffer[] = []
  let gathered = 0
  let at = 0
  for (let records = 0; records < recordLimit; records++) {
    if (!looksLikeRecord(bytes, at)) return notTls(records) ?? malformed('another record in between')
    if (bytes.length < at + recordHead) return needMore(at + recordHead)
    const length = bytes.readUInt16BE(at + 3)
    if (length === 0 || length > 16384) return notTls(records) ?? malformed('a record of bad length')
    const next = at + recordHead + length
    if (next > sizeLimit) return malformed('it is too large')
    // The first byte shows the message type, long before a slow sender has sent the rest.
    const type = bytes[recordHead]
    if (type !== undefined && type !== clientHelloMessage) return { state: 'not-tls' }
    if (bytes.length < next) return needMore(next)
    fragments.push(bytes.subarray(at + recordHead, next))
    gathered += length
    at = next
    if (gathered < messageHead) continue
    const end = messageHead + Buffer.concat(fragments, messageHead).readUIntBE(1, 3)
    if (end > sizeLimit) return malformed('it is too large')
    if (gathered >= end) return Buffer.concat(fragments, end).subarray(messageHead)
  }
  return malformed('it is spread over too many records')
}

/** Whether the bytes present can be the head of a handshake record of SSL 3 or TLS. */
function looksLikeRecord(bytes: Buffer, at: number): boolean {
  if (bytes.length > at && bytes[at] !== handshakeRecord) return false
  return bytes.length <= at + 1 || bytes[at + 1] === 3
}

/** Only the first record distinguishes TLS from other protocols. */
function notTls(records: number): ClientHello | null {
  return records === 0 ? { state: 'not-tls' } : null
}

function needMore(atLeast: number): ClientHello {
  return { state: 'need-more', atLeast }
}

function malformed(reason: string): ClientHello {
  return { state: 'malformed', reason }
}

/** Reads fields from the front of a buffer; each method returns null if the bytes do not contain the field. */
class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  number(size: 1 | 2): number | null {
    if (this.left < size) return null
    this.#at += size
    return this.#bytes.readUIntBE(this.#at - size, size)
  }

  take(size: number): Buffer | null {
    if (this.left < size) return null
    this.#at += size
    return this.#bytes.subarray(this.#at - size, this.#at)
  }

  /** A vector: its length in `size` bytes, which must be within the limits, then the content. */
  vector(size: 1 | 2, least: number, most: number): Buffer | null {
    const length = this.number(size)
    return length === null || length < least || length > most ? null : this.take(length)
  }
}

function readHello(hello: Reader): ClientHello {
  const version = hello.number(2)
  const random = hello.take(32)
  const session = hello.vector(1, 0, 32)
  const ciphers = hello.vector(2, 2, 65534)
  const compressions = hello.vector(1, 1, 255)
  const whole = version !== null && random !== null && session !== null && ciphers !== null && compressions !== null
  if (!whole || ciphers.length % 2 === 1) return malformed('its fields do not fit')
  if (hello.left === 0) return { state: 'hello', serverName: null }
  const extensions = hello.vector(2, 0, 65535)
  if (extensions === null || hello.left > 0) return malformed('its extensions do not fit')
  return findServerName(new Reader(extensions))
}

function findServerName(extensions: Reader): ClientHello {
  let found: Buffer | null = null
  while (extensions.left > 0) {
    const type = extensions.number(2)
    const content = extensions.vector(2, 0, 65535)
    if (content === null) return malformed('its extensions do not fit')
    if (type !== serverNameExtension) continue
    if (found !== null) return malformed('the server name is there twice')
    found = content
  }
  return found === null ? { state: 'hello', serverName: null } : readServerName(new Reader(found))
}

/** The grammar has a list, but it holds one name: two of one type must not be sent, and no other type exists. */
function readServerName(extension: Reader): ClientHello {
  const list = extension.vector(2, 1, 65535)
  if (list === null || extension.left > 0) return malformed('the server name does not fit')
  const entry = new Reader(list)
  const type = entry.number(1)
  const name = entry.vector(2, 1, 65535)
  if (type !== hostNameType || name === null || entry.left > 0) return malformed('the server name does not fit')
  return { state: 'hello', serverName: normalHostName(name.toString('latin1')) }
}
