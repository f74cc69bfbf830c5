import { isIpv4, isIpv6 } from '../http1/grammar.js'
import { NEED_MORE } from '../http1/rejection.js'
import { ipText, parseIp } from './ip-address.js'
import { readTlvs, type ProxiedTls } from './proxy-tlvs.js'

/** One end of a connection, as a proxy names it. */
export interface ProxiedAddress {
  /** In canonical form. */
  readonly ip: string
  /** From 0 to 65535. */
  readonly port: number
}

/** What a proxy says of a connection that it passes on: the PROXY protocol of HAProxy, version 1 or 2. */
export interface ProxyHeader {
  /** Version 1 is text, version 2 is binary and may have extensions. */
  readonly version: 1 | 2
  /** The client of the proxy. Null: the proxy itself, which checks the server's health, or a client without an IP address. */
  readonly source: ProxiedAddress | null
  /** The address at which the proxy was reached; null with `source`. */
  readonly destination: ProxiedAddress | null
  /** The host that the client named, usually in its TLS handshake with the proxy; null if it is not told. */
  readonly authority: string | null
  /** The protocol agreed upon by ALPN with the proxy; null if it is not told. */
  readonly alpn: string | null
  /** The proxy's own name for the connection, up to 128 bytes; null if it is not told. */
  readonly uniqueId: Buffer | null
  /** The TLS between the client and the proxy; null if there is none, or it is not told. */
  readonly tls: ProxiedTls | null
}

/** A header that was read: its bytes, and what it says. */
export interface ReadHeader {
  readonly size: number
  readonly header: ProxyHeader
}

/** What the fault of a header is, in words for people. */
export class ProxyHeaderFault {
  readonly reason: string

  constructor(reason: string) {
    this.reason = reason
  }
}

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const word = Buffer.from('PROXY ', 'latin1')
/** The longest line of version 1, with its CRLF. */
const longestLine = 107
/** Bytes of version 2 before the addresses. */
const fixedPart = 16
/** The most bytes that may follow them: enough for all that is defined, and for the extensions of cloud providers. */
const longestRest = 4096
const PORT = /^(?:0|[1-9]\d{0,4})$/
const LF = 0x0a

const untold = { authority: null, alpn: null, uniqueId: null, tls: null }
const noEnds = { source: null, destination: null }

/** Whether buf[from, end) is a PROXY header or the beginning of one, as far as it goes. */
export function beginsProxyHeader(buf: Buffer, from: number, end: number): 'yes' | 'no' | 'maybe' {
  for (const start of [word, signature]) {
    const length = Math.min(start.length, end - from)
    if (start.compare(buf, from, from + length, 0, length) === 0) return length === start.length ? 'yes' : 'maybe'
  }
  return 'no'
}

/**
 * Reads a PROXY header from buf[from, end) (The PROXY protocol, versions 1 and 2, sections 2.1 and 2.2). Any division of the
 * bytes gives the same result.
 * @returns NEED_MORE if the bytes so far are right
 */
export function readProxyHeader(buf: Buffer, from: number, end: number): ReadHeader | ProxyHeaderFault | typeof NEED_MORE {
  const begun = beginsProxyHeader(buf, from, end)
  if (begun === 'no') return new ProxyHeaderFault('it does not begin like one')
  if (begun === 'maybe') return NEED_MORE
  return buf[from] === word[0] ? readLine(buf, from, end) : readBinary(buf.subarray(from, end))
}

function readLine(buf: Buffer, from: number, end: number): ReadHeader | ProxyHeaderFault | typeof NEED_MORE {
  const window = buf.subarray(from, Math.min(end, from + longestLine))
  const lf = window.indexOf(LF)
  if (lf < 0) return window.length < longestLine ? NEED_MORE : new ProxyHeaderFault('its line is too long')
  const line = window.toString('latin1', 0, lf)
  if (!line.endsWith('\r')) return new ProxyHeaderFault('its line does not end with CRLF')
  const [, family, ...parts] = line.slice(0, -1).split(' ')
  // Whatever follows is to be ignored.
  if (family === 'UNKNOWN') return { size: lf + 1, header: { version: 1, ...noEnds, ...untold } }
  const isAddress = family === 'TCP4' ? isIpv4 : family === 'TCP6' ? isIpv6 : null
  if (isAddress === null) return new ProxyHeaderFault('its protocol is none of TCP4, TCP6 and UNKNOWN')
  const [source, destination, sourcePort, destinationPort] = parts
  if (parts.length !== 4) return new ProxyHeaderFault('its line does not have two addresses and two ports')
  if (!isAddress(source) || !isAddress(destination)) return new ProxyHeaderFault(`an address is not one of ${family}`)
  if (![sourcePort, destinationPort].every((port) => PORT.test(port) && Number(port) <= 65535)) return new ProxyHeaderFault('a port is not a number up to 65535')
  const header: ProxyHeader = {
    version: 1, source: { ip: canonical(source), port: Number(sourcePort) },
    destination: { ip: canonical(destination), port: Number(destinationPort) }, ...untold,
  }
  return { size: lf + 1, header }
}

function canonical(text: string): string {
  const address = parseIp(text)
  return address === null ? text : ipText(address)
}

function readBinary(bytes: Buffer): ReadHeader | ProxyHeaderFault | typeof NEED_MORE {
  if (bytes.length < fixedPart) return NEED_MORE
  const version = bytes[12] >> 4
  const command = bytes[12] & 0xf
  const length = bytes.readUInt16BE(14)
  if (version !== 2) return new ProxyHeaderFault(`its version is ${version}`)
  if (command > 1) return new ProxyHeaderFault(`its command is ${command}`)
  if (length > longestRest) return new ProxyHeaderFault(`it has ${length} bytes, more than ${longestRest}`)
  const size = fixedPart + length
  if (bytes.length < size) return NEED_MORE
  const addresses = addressesOf(bytes[13], bytes.subarray(fixedPart, size))
  if (addresses instanceof ProxyHeaderFault) return addresses
  const told = readTlvs(bytes.subarray(0, size), fixedPart + addresses.size)
  if (typeof told === 'string') return new ProxyHeaderFault(told)
  // LOCAL: the proxy speaks for itself, and the addresses are to be ignored.
  const { source, destination } = command === 0 ? noEnds : addresses
  return { size, header: { version: 2, source, destination, ...told } }
}

interface Addresses {
  readonly source: ProxiedAddress | null
  readonly destination: ProxiedAddress | null
  /** Bytes that they take. */
  readonly size: number
}

/** @param protocol the address family in the upper four bits, the transport in the lower */
function addressesOf(protocol: number, bytes: Buffer): Addresses | ProxyHeaderFault {
  const family = protocol >> 4
  const transport = protocol & 0xf
  if (family > 3 || transport > 2) return new ProxyHeaderFault(`its address family and protocol are ${protocol}`)
  if (transport === 2) return new ProxyHeaderFault('it is of a datagram')
  const width = [0, 4, 16, 108][family]
  const size = 2 * width + (family === 1 || family === 2 ? 4 : 0)
  if (bytes.length < size) return new ProxyHeaderFault('it is too short for its addresses')
  // Nothing is said of a connection without a family or a transport; a Unix socket has no IP address.
  if (transport === 0 || family === 0 || family === 3) return { ...noEnds, size }
  return {
    source: { ip: binaryIp(bytes, 0, width), port: bytes.readUInt16BE(2 * width) },
    destination: { ip: binaryIp(bytes, width, width), port: bytes.readUInt16BE(2 * width + 2) },
    size,
  }
}

function binaryIp(bytes: Buffer, at: number, width: number): string {
  if (width === 4) return bytes.subarray(at, at + 4).join('.')
  return ipText(Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(at + 2 * index)))
}
