import { once } from 'node:events'
import { connect, createSecureContext, type ConnectionOptions } from 'node:tls'
import fc from 'fast-check'
import t from 'tap'
import { readClientHello, type ClientHello } from '../../tls/client-hello.js'
import { extension, helloBody, helloFor, message, nameEntry, record, records, serverName } from './hellos.js'
import type { HelloParts } from './hellos.js'
import { duplexPair } from './wires.js'

const hello = (name: string | null): ClientHello => ({ state: 'hello', serverName: name })
const bytes = (size: number): Buffer => Buffer.alloc(size, 0x61)

t.test('hellos', async (t) => {
  const cases: [string, HelloParts, string | null][] = [
    ['with a name', { extensions: [serverName(nameEntry('example.com'))] }, 'example.com'],
    ['in upper case with a dot', { extensions: [serverName(nameEntry('EXAMPLE.com.'))] }, 'example.com'],
    ['an address', { extensions: [serverName(nameEntry('127.0.0.1'))] }, '127.0.0.1'],
    ['what is no host name counts as none', { extensions: [serverName(nameEntry('exa mple'))] }, null],
    ['bytes beyond ASCII count as none', { extensions: [serverName(nameEntry(Buffer.from([0xfc])))] }, null],
    ['no extensions at all', { extensions: null }, null],
    ['an empty list of extensions', { extensions: [] }, null],
    ['other extensions only', { extensions: [extension(10, bytes(9)), extension(0xffff, bytes(0))] }, null],
    ['the name last', { extensions: [extension(21, bytes(500)), serverName(nameEntry('last.test'))] }, 'last.test'],
    ['no session id', { session: bytes(0), extensions: [serverName(nameEntry('a.test'))] }, 'a.test'],
    ['very many ciphers', { ciphers: bytes(40_000), extensions: [serverName(nameEntry('a.test'))] }, 'a.test'],
  ]
  for (const [title, parts, name] of cases) {
    t.same(readClientHello(records(message(helloBody(parts)))), hello(name), title)
  }
  const whole = message(helloBody({ extensions: [serverName(nameEntry('example.com'))] }))
  const followed = Buffer.concat([record(whole), bytes(100)])
  t.same(readClientHello(followed), hello('example.com'), 'what follows does not matter')
  t.same(readClientHello(record(Buffer.concat([whole, bytes(7)]))), hello('example.com'), 'nor in the same record')
  t.same(readClientHello(record(whole, 22, 0x0303)), hello('example.com'), 'any version of the record layer')
})

t.test('malformed hellos', async (t) => {
  const name = serverName(nameEntry('example.com'))
  const cases: [string, Buffer][] = [
    ['a session id of 33 bytes', helloBody({ session: bytes(33) })],
    ['no ciphers', helloBody({ ciphers: bytes(0) })],
    ['half a cipher', helloBody({ ciphers: bytes(3) })],
    ['no compression method', helloBody({ compressions: bytes(0) })],
    ['bytes behind the extensions', helloBody({ extensions: [name], tail: bytes(1) })],
    ['half an extension list', helloBody({ extensions: null, tail: bytes(1) })],
    ['an extension longer than the list', helloBody({ extensions: [Buffer.from('00170009', 'hex')] })],
    ['half an extension', helloBody({ extensions: [name, Buffer.from('001700', 'hex')] })],
    ['two names', helloBody({ extensions: [serverName(nameEntry('a.test'), nameEntry('b.test'))] })],
    ['two server name extensions', helloBody({ extensions: [name, name] })],
    ['a name of an unknown type', helloBody({ extensions: [serverName(nameEntry('a.test', 1))] })],
    ['an empty name', helloBody({ extensions: [serverName(nameEntry(''))] })],
    ['an empty list of names', helloBody({ extensions: [serverName()] })],
    ['an empty server name extension', helloBody({ extensions: [extension(0, bytes(0))] })],
    ['a list longer than its extension', helloBody({ extensions: [extension(0, Buffer.from('00ff00000161', 'hex'))] })],
    ['bytes behind the list', helloBody({ extensions: [extension(0, Buffer.from('0004000001610000', 'hex'))] })],
    ['nothing', bytes(0)],
    ['a version only', bytes(2)],
    ['a random only', bytes(34)],
  ]
  for (const [title, body] of cases) t.match(readClientHello(records(message(body))), { state: 'malformed' }, title)
  const whole = message(helloBody())
  const cut = (behind: Buffer): Buffer => Buffer.concat([record(whole.subarray(0, 20)), behind])
  t.match(readClientHello(cut(record(whole.subarray(20), 21))), { state: 'malformed' }, 'an alert in between')
  t.match(readClientHello(cut(Buffer.from('1603010000', 'hex'))), { state: 'malformed' }, 'an empty record in between')
  t.match(readClientHello(cut(Buffer.from('1603014001', 'hex'))), { state: 'malformed' }, 'a record beyond 16 KiB')
  t.match(readClientHello(records(whole, 1)), { state: 'malformed' }, 'spread over very many records')
  const huge = Buffer.concat([Buffer.from('01ffffff', 'hex'), bytes(100)])
  t.match(readClientHello(record(huge)), { state: 'malformed', reason: 'it is too large' }, 'told at once')
  const large = helloBody({ ciphers: bytes(65534), extensions: [extension(21, bytes(9000))] })
  t.match(readClientHello(records(message(large))), { state: 'malformed' })
})

t.test('what is no TLS is told from its first bytes', async (t) => {
  for (const start of [
    'G', 'GET / HTTP/1.1\r\n\r\n', '\0', '\x16\x02', '\x16\x04', '\x15\x03\x01', '\x80\x2e\x01',
    '\x16\x03\x01\0\0', '\x16\x03\x01\x40\x01', '\x16\x03\x01\x02\0\x02', '\x16\x03\x01\x02\0\0',
  ]) {
    t.same(readClientHello(Buffer.from(start, 'latin1')), { state: 'not-tls' }, JSON.stringify(start))
  }
})

t.test('a hello may come in any pieces and any records', async (t) => {
  for (const size of [5, 6, 7, 30, 100, 16384]) {
    const whole = helloFor('example.com', size)
    for (let end = 0; end < whole.length; end++) {
      const result = readClientHello(whole.subarray(0, end))
      if (result.state !== 'need-more' || result.atLeast <= end || result.atLeast > whole.length) {
        t.fail(`records of ${size} bytes, cut at ${end}: ${JSON.stringify(result)}`)
      }
    }
    t.same(readClientHello(whole), hello('example.com'), `records of ${size} bytes`)
  }
})

t.test('no bytes make it throw, hang, or ask for more than its bound', async () => {
  const check = (input: Uint8Array): boolean => {
    const result = readClientHello(Buffer.from(input))
    return result.state !== 'need-more' || (result.atLeast > input.length && result.atLeast <= 64 * 1024)
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), check), { seed: 2, numRuns: 5000 })
  const good = helloFor('example.com', 90)
  const changes = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
  fc.assert(fc.property(changes, fc.nat(good.length), (list, end) => {
    const changed = Buffer.from(good)
    for (const [at, value] of list) changed[at] = value
    return check(changed.subarray(0, end)) && check(changed)
  }), { seed: 3, numRuns: 20_000 })
})

t.test('a prefix never says something else than the whole', async () => {
  const good = helloFor('example.com', 60)
  fc.assert(fc.property(fc.nat(good.length - 1), fc.nat(255), (at, value) => {
    const changed = Buffer.from(good)
    changed[at] = value
    const last = JSON.stringify(readClientHello(changed))
    for (let end = 0; end < changed.length; end++) {
      const result = readClientHello(changed.subarray(0, end))
      if (result.state !== 'need-more' && JSON.stringify(result) !== last) return false
    }
    return true
  }), { seed: 4, numRuns: 500 })
})

t.test('the largest hello in the smallest pieces costs little', async (t) => {
  const whole = helloFor('example.com', 20)
  const body = helloBody({ ciphers: bytes(60_000), extensions: [serverName(nameEntry('a.test'))] })
  const large = records(message(body), 1000)
  for (const input of [whole, large]) {
    let wanted = 1
    let readings = 0
    for (let end = 1; end <= input.length; end++) {
      if (end < wanted) continue
      readings++
      const result = readClientHello(input.subarray(0, end))
      wanted = result.state === 'need-more' ? result.atLeast : Infinity
    }
    t.ok(readings <= 2 * 64 + 1, `${readings} readings`)
  }
})

t.test('the hellos of real clients', async (t) => {
  const clients: [ConnectionOptions, string | null][] = [
    [{ servername: 'real.test' }, 'real.test'],
    [{ servername: 'real.test', maxVersion: 'TLSv1.2' }, 'real.test'],
    [{ servername: 'real.test', ALPNProtocols: ['h2', 'http/1.1'] }, 'real.test'],
    [{}, null],
  ]
  for (const [options, name] of clients) {
    const [near, far] = duplexPair()
    const socket = connect({ socket: far, secureContext: createSecureContext(), host: 'real.test', ...options })
    socket.on('error', () => {})
    const [sent] = await once(near, 'data')
    t.same(readClientHello(sent as Buffer), hello(name))
    socket.destroy()
    near.destroy()
  }
})
