import fc from 'fast-check'
import t from 'tap'
import { NEED_MORE } from '../../../lib/http1/rejection.js'
import { crc32c } from '../../../lib/peer/crc32c.js'
import { beginsProxyHeader, ProxyHeaderFault, readProxyHeader, type ProxyHeader, type ReadHeader } from '../../../lib/peer/proxy-header.js'
import { binaryHeader, tlv } from '../../support/proxy-header.js'

type Result = ReadHeader | ProxyHeaderFault

/** Reads `bytes` as they come, in pieces of `piece` bytes; null: it is not whole. The reader must not look at anything around them. */
function read(bytes: Buffer, piece: number): Result | null {
  const around = Buffer.concat([Buffer.from('PROXY'), bytes, Buffer.from('\r\n\n')])
  for (let end = Math.min(piece, bytes.length); ; end = Math.min(end + piece, bytes.length)) {
    const result = readProxyHeader(around, 5, 5 + end)
    if (result !== NEED_MORE) return result
    if (end === bytes.length) return null
  }
}

/** The result, which must be the same however the bytes are cut. */
function result(bytes: Buffer): Result | null {
  const whole = read(bytes, Math.max(1, bytes.length))
  for (const piece of [1, 7]) {
    const cut = read(bytes, piece)
    t.strictSame(cut, whole, `${bytes.toString('latin1')} in pieces of ${piece}`)
  }
  return whole
}

function header(bytes: Buffer): ProxyHeader {
  const read = result(bytes)
  if (read === null || read instanceof ProxyHeaderFault) throw new Error(`not read: ${JSON.stringify(read)}`)
  return read.header
}

const untold = { authority: null, alpn: null, uniqueId: null, tls: null }

t.test('version 1', async (t) => {
  const good: [line: string, source: string | null, destination: string | null][] = [
    ['PROXY TCP4 198.51.100.7 192.0.2.1 65535 0', '198.51.100.7 65535', '192.0.2.1 0'],
    ['PROXY TCP6 2001:DB8::7 ::1 40000 443', '2001:db8::7 40000', '::1 443'],
    ['PROXY TCP6 ::ffff:198.51.100.7 ::1 1 2', '198.51.100.7 1', '::1 2'],
    ['PROXY UNKNOWN', null, null],
    ['PROXY UNKNOWN ffff::1 whatever follows', null, null],
  ]
  const show = (end: { ip: string; port: number } | null): string | null => (end === null ? null : `${end.ip} ${end.port}`)
  for (const [line, source, destination] of good) {
    const bytes = Buffer.from(`${line}\r\nGET / HTTP/1.1\r\n`)
    const read = result(bytes) as ReadHeader
    t.equal(read.size, line.length + 2, line)
    t.strictSame([show(read.header.source), show(read.header.destination)], [source, destination], line)
    t.match(read.header, { version: 1, ...untold })
  }
  const bad: [text: string, reason: RegExp][] = [
    ['GET / HTTP/1.1\r\n', /does not begin like one/],
    ['proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n', /does not begin like one/],
    [' PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n', /does not begin like one/],
    ['PROXYTCP4 1.2.3.4 1.2.3.4 1 2\r\n', /does not begin like one/],
    ['PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n', /none of TCP4, TCP6 and UNKNOWN/],
    ['PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n', /none of TCP4, TCP6 and UNKNOWN/],
    ['PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n', /two addresses and two ports/],
    ['PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n', /two addresses and two ports/],
    ['PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n', /two addresses and two ports/],
    ['PROXY TCP4 ::1 1.2.3.4 1 2\r\n', /not one of TCP4/],
    ['PROXY TCP6 1.2.3.4 ::1 1 2\r\n', /not one of TCP6/],
    ['PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n', /not one of TCP4/],
    ['PROXY TCP6 ::1%lo ::1 1 2\r\n', /not one of TCP6/],
    ['PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n', /port/],
    ['PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n', /port/],
    ['PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n', /port/],
    ['PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n', /CRLF/],
    ['PROXY TCP4\n1.2.3.4 1.2.3.4 1 2\r\n', /CRLF/],
    [`PROXY UNKNOWN ${'x'.repeat(93)}\r\n`, /too long/],
  ]
  for (const [text, reason] of bad) {
    const read = result(Buffer.from(text))
    t.type(read, ProxyHeaderFault, text)
    t.match(read instanceof ProxyHeaderFault ? read.reason : '', reason, text)
  }
  t.equal(result(Buffer.from(`PROXY UNKNOWN ${'x'.repeat(91)}\r\n`)) instanceof ProxyHeaderFault, false, 'the longest line')
  t.equal(result(Buffer.from('PROXY TCP4 1.2.3.4')), null, 'it may go on')
})

t.test('version 2: addresses', async (t) => {
  const ipv4 = Buffer.from([198, 51, 100, 7, 192, 0, 2, 1, 0x9c, 0x40, 1, 0xbb])
  t.match(header(binaryHeader(0x21, 0x11, ipv4)), {
    version: 2, source: { ip: '198.51.100.7', port: 40000 }, destination: { ip: '192.0.2.1', port: 443 }, ...untold,
  })
  const ipv6 = Buffer.concat([Buffer.from('20010db8000000000000000000000007', 'hex'), Buffer.from('00000000000000000000ffffc0000201', 'hex'), Buffer.from([0, 1, 0, 2])])
  t.match(header(binaryHeader(0x21, 0x21, ipv6)), { source: { ip: '2001:db8::7', port: 1 }, destination: { ip: '192.0.2.1', port: 2 } })
  // LOCAL, UNSPEC and Unix sockets say nothing of a client; their addresses take their place all the same.
  for (const bytes of [
    binaryHeader(0x20, 0, Buffer.alloc(0)), binaryHeader(0x20, 0x11, ipv4), binaryHeader(0x21, 0, Buffer.alloc(0)),
    binaryHeader(0x21, 0x31, Buffer.alloc(216)), binaryHeader(0x21, 0x10, ipv4),
  ]) t.match(header(bytes), { source: null, destination: null, ...untold })
  const table: [bytes: Buffer, reason: RegExp][] = [
    [binaryHeader(0x11, 0x11, ipv4), /version is 1/],
    [binaryHeader(0x31, 0x11, ipv4), /version is 3/],
    [binaryHeader(0x22, 0x11, ipv4), /command is 2/],
    [binaryHeader(0x21, 0x41, ipv4), /address family/],
    [binaryHeader(0x21, 0x13, ipv4), /address family/],
    [binaryHeader(0x21, 0x12, ipv4), /datagram/],
    [binaryHeader(0x21, 0x11, ipv4.subarray(1)), /too short/],
    [binaryHeader(0x21, 0x21, ipv4), /too short/],
    [binaryHeader(0x21, 0x31, ipv6), /too short/],
    [binaryHeader(0x21, 0x11, Buffer.alloc(4097)), /more than 4096/],
  ]
  for (const [bytes, reason] of table) {
    const read = result(bytes)
    t.match(read instanceof ProxyHeaderFault ? read.reason : '', reason, `${bytes.subarray(12, 20).toString('hex')}`)
  }
})

t.test('version 2: extensions', async (t) => {
  const ends = Buffer.from([198, 51, 100, 7, 192, 0, 2, 1, 0x9c, 0x40, 1, 0xbb])
  const having = (...parts: Buffer[]): Buffer => binaryHeader(0x21, 0x11, Buffer.concat([ends, ...parts]))
  const ssl = (client: number, verify: number, ...parts: Buffer[]): Buffer => tlv(0x20, Buffer.concat([Buffer.from([client, 0, 0, 0, verify]), ...parts]))

  t.match(header(having(tlv(1, 'h2'), tlv(2, 'a.test'), tlv(4, 'pad'), tlv(5, 'id'), tlv(0xea, 'vendor'))), {
    alpn: 'h2', authority: 'a.test', uniqueId: Buffer.from('id'), tls: null,
  })
  t.match(header(having(tlv(2, 'first.test'), tlv(2, 'second.test'))), { authority: 'first.test' })
  t.match(header(having(ssl(7, 0, tlv(0x21, 'TLSv1.3'), tlv(0x22, 'Ann'), tlv(0x23, 'X'), tlv(0x24, 'sha'), tlv(0x25, 'rsa')))).tls, {
    version: 'TLSv1.3', cipher: 'X', commonName: 'Ann', verified: true,
  })
  t.match(header(having(ssl(1, 0))).tls, { version: null, cipher: null, commonName: null, verified: false }, 'no certificate')
  t.match(header(having(ssl(3, 1))).tls, { verified: false }, 'a certificate that is not right')
  t.match(header(having(ssl(5, 0))).tls, { verified: true }, 'a certificate of the session')
  t.equal(header(having(ssl(0, 0))).tls, null, 'no TLS')
  // The identifier is a copy: the input is used again.
  const bytes = having(tlv(5, 'id'))
  const read = readProxyHeader(bytes, 0, bytes.length) as ReadHeader
  bytes.fill(0)
  t.equal(read.header.uniqueId?.toString(), 'id')

  const reasons: [parts: Buffer[], reason: RegExp][] = [
    [[Buffer.from([1])], /cut off/],
    [[Buffer.from([1, 0, 5, 1])], /cut off/],
    [[tlv(5, 'x'.repeat(129))], /unique id/],
    [[tlv(0x20, 'four')], /cut off/],
    [[ssl(1, 0, Buffer.from([0x21, 0, 9, 1]))], /cut off/],
    [[tlv(3, 'abcd')], /checksum/],
    [[tlv(3, 'abc')], /checksum/],
  ]
  for (const [parts, reason] of reasons) {
    const read = result(having(...parts))
    t.match(read instanceof ProxyHeaderFault ? read.reason : '', reason)
  }
})

t.test('version 2: the checksum', async (t) => {
  // RFC 3720 section B.4 has these.
  t.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa)
  t.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43)
  t.equal(crc32c(Buffer.from(Array.from({ length: 32 }, (_, index) => index))), 0x46dd794e)
  const ends = Buffer.from([198, 51, 100, 7, 192, 0, 2, 1, 0x9c, 0x40, 1, 0xbb])
  const summed = (sum: number): Buffer => {
    const value = Buffer.alloc(4)
    value.writeUInt32BE(sum)
    return binaryHeader(0x21, 0x11, Buffer.concat([ends, tlv(3, value), tlv(2, 'a.test')]))
  }
  const right = summed(crc32c(summed(0)))
  t.match(header(right), { authority: 'a.test' })
  // But for the type of the checksum itself.
  for (const at of Array.from(right.keys()).filter((at) => at >= 16 && at !== 28)) {
    const wrong = Buffer.from(right)
    wrong[at] ^= 1
    t.type(readProxyHeader(wrong, 0, wrong.length), ProxyHeaderFault, `bit of byte ${at}`)
  }
})

t.test('any bytes, in any pieces: one result, and never an exception', async () => {
  const start = fc.constantFrom('PROXY ', 'PROXY TCP4 1.2.3.4 ', 'PROXY UNKNOWN', '\r\n\r\n\0\r\nQUIT\n', '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x13', '')
  fc.assert(fc.property(start, fc.uint8Array({ maxLength: 160 }), fc.integer({ min: 1, max: 20 }), (text, rest, piece) => {
    const bytes = Buffer.concat([Buffer.from(text, 'latin1'), rest])
    const one = JSON.stringify(read(bytes, bytes.length || 1))
    if (JSON.stringify(read(bytes, piece)) !== one) throw new Error('it depends on the pieces')
  }))
})

t.test('how a header begins', async (t) => {
  const table: [text: string, begins: string][] = [
    ['', 'maybe'], ['P', 'maybe'], ['PROXY', 'maybe'], ['PROXY ', 'yes'], ['PROXY x', 'yes'], ['PROPFIND', 'no'],
    ['\r', 'maybe'], ['\r\n\r\n', 'maybe'], ['\r\nGET', 'no'], ['\r\n\r\n\0\r\nQUIT\n', 'yes'], ['GET', 'no'], ['\x16\x03', 'no'],
  ]
  for (const [text, begins] of table) t.equal(beginsProxyHeader(Buffer.from(`x${text}y`), 1, 1 + text.length), begins, JSON.stringify(text))
})
