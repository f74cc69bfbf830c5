import { randomBytes } from 'node:crypto'
import { connect as tlsConnect, createSecureContext, type SecureContextOptions, type SecureVersion } from 'node:tls'
import { readFileSync } from 'node:fs'
import { Duplex } from 'node:stream'
import t from 'tap'
import { connect, HandshakeError, memory, now, pipe, run, sleep, spawn, TimeoutError } from '../../lev/index.js'
import type { Op, SecureFacts } from '../../lev/index.js'
import { handshake, loadIdentities, NotTlsError, type IdentityConfig } from '../../tls/index.js'
import { connectedPair, readAll } from '../../testing/streams.js'
import { failure } from '../../testing/virtual.js'
import { Certificates, type Issued, type KeyKind } from './certificates.js'
import { helloBody, helloFor, message, records } from './hellos.js'
import { serving } from './serving.js'

const certificates = new Certificates()
t.teardown(() => certificates.remove())
const root = certificates.issue({ names: ['Root'], ca: true })
const user = certificates.issue({ names: ['user'], by: root, usage: 'clientAuth' })
const stranger = certificates.issue({ names: ['stranger'], usage: 'clientAuth' })
const trust = readFileSync(root.cert)
const issue = (name: string, kind: KeyKind): Issued => certificates.issue({ names: [name], kind, by: root })
const load = (config: IdentityConfig, hosts: Record<string, IdentityConfig> = {}) =>
  loadIdentities({ default: config, hosts }, Date.now() / 1000).identities

interface Talk {
  facts: SecureFacts
  text: string
}

/** Connects as a client and gives what the server says. */
function* talk(port: number, serverName: string, options: SecureContextOptions = {}): Op<Talk> {
  const stream = yield* connect({ ip: '127.0.0.1', port })
  const context = createSecureContext({ ca: trust, ...options })
  const facts = yield* stream.secure({ side: 'client', context, alpn: ['http/1.1'], serverName, verify: true })
  const text = String(yield* readAll(stream))
  stream.close()
  return { facts, text }
}

const pair = ({ cert, key }: Issued) => ({ cert: readFileSync(cert), key: readFileSync(key) })
const versions: SecureVersion[] = ['TLSv1.2', 'TLSv1.3']
const drivers = [
  ['in memory', () => memory()], ['in memory, in tiny pieces', () => memory({ segment: 7 })], ['over TCP', undefined],
] as const

for (const [where, driver] of drivers) {
  const options = driver === undefined ? undefined : () => ({ driver: driver() })

  t.test(`each host has its own certificate, ${where}`, async (t) => {
    const kinds: [string, KeyKind, KeyKind][] = [
      ['RSA by default, ECDSA for the host', 'rsa', 'p256'],
      ['ECDSA by default, RSA for the host', 'p384', 'rsa'],
      ['Ed25519 and P-384', 'ed25519', 'p384'],
    ]
    for (const [title, first, second] of kinds) {
      const identities = load(issue('default.test', first), {
        'One.test': issue('one.test', second),
        '*.two.test': issue('*.two.test', first),
        'three.test.': issue('three.test', 'ed25519'),
      })
      await serving(identities, function* (port, served) {
        for (const version of versions) {
          for (const [name, identity] of [
            ['default.test', 'default'], ['one.test', 'one.test'], ['a.two.test', '*.two.test'],
            ['three.test', 'three.test'],
          ] as const) {
            const { facts, text } = yield* talk(port, name, { maxVersion: version })
            t.match(facts, { protocol: version, authorized: true }, `${title}: ${name} over ${version}`)
            t.equal(text, `${identity} ${name}\n`)
          }
        }
        t.same(served.errors, [])
        t.match(served.facts[0], { protocol: 'TLSv1.2', alpn: 'http/1.1', resumed: false, client_certificate: null })
      }, options?.())
    }
  })

  t.test(`client certificates, ${where}`, async (t) => {
    const host = issue('asks.test', 'p256')
    const identities = load(issue('default.test', 'rsa'), {
      'asks.test': { ...host, ca: root.cert, client_certificate: 'request' },
      'wants.test': { ...issue('wants.test', 'p256'), ca: root.cert, client_certificate: 'require' },
      'any.test': { ...issue('any.test', 'p256'), client_certificate: 'request' },
    })
    await serving(identities, function* (port, served) {
      for (const maxVersion of versions) {
        yield* talk(port, 'asks.test', { maxVersion, ...pair(user) })
        t.match(served.facts.at(-1)?.client_certificate, {
          authorized: true, reason: null, subject: 'CN=user', issuer: 'CN=Root',
          serial_number: /^[0-9A-F]+$/, fingerprint: /^([0-9A-F]{2}:){31}/,
        })
        yield* talk(port, 'asks.test', { maxVersion, ...pair(stranger) })
        t.match(served.facts.at(-1)?.client_certificate, {
          authorized: false, reason: 'DEPTH_ZERO_SELF_SIGNED_CERT', subject: 'CN=stranger',
        })
        yield* talk(port, 'asks.test', { maxVersion })
        t.equal(served.facts.at(-1)?.client_certificate, null)
        yield* talk(port, 'any.test', { maxVersion, ...pair(user) })
        t.match(served.facts.at(-1)?.client_certificate, { authorized: false, subject: 'CN=user' }, 'no ca, no trust')
        yield* talk(port, 'default.test', { maxVersion, ...pair(user) })
        t.equal(served.facts.at(-1)?.client_certificate, null, 'not asked')
        yield* talk(port, 'wants.test', { maxVersion, ...pair(user) })
        t.match(served.facts.at(-1), { identity: 'wants.test', client_certificate: { authorized: true } })
        const served6 = served.facts.length
        for (const own of [{}, pair(stranger)]) {
          let text: string | null = null
          try {
            text = (yield* talk(port, 'wants.test', { maxVersion, ...own })).text
          } catch {
            // Over TLS 1.3 the client learns of it only later, if at all.
          }
          t.ok(text === null || text === '', 'refused')
        }
        t.equal(served.facts.length, served6)
        t.equal(served.errors.splice(0).filter((error) => error instanceof HandshakeError).length, 2)
      }
    }, options?.())
  })

  t.test(`much data both ways, and an end right behind it, ${where}`, async (t) => {
    const size = where.includes('tiny') ? 20_000 : 3_000_000
    const identities = load(issue('default.test', 'p256'))
    await run(function* () {
      for (const maxVersion of versions) {
        const [far, near] = yield* connectedPair()
        const question = randomBytes(size)
        const response = randomBytes(size)
        const server = spawn(function* () {
          yield* handshake(near, identities)
          const got = yield* readAll(near)
          for (let at = 0; at < size; at += 70_001) yield* near.write(response.subarray(at, at + 70_001))
          yield* near.linger(10, size)
          return got
        })
        const context = createSecureContext({ ca: trust, maxVersion })
        yield* far.secure({ side: 'client', context, alpn: [], serverName: 'default.test', verify: true })
        yield* far.write(question)
        yield* far.end()
        t.ok((yield* readAll(far)).equals(response), `the response, over ${maxVersion}`)
        t.ok((yield* server.join()).equals(question), `the question, over ${maxVersion}`)
        far.close()
      }
    }, options?.())
  })

  t.test(`connections that are no TLS, ${where}`, async (t) => {
    const identities = load(issue('default.test', 'p256'))
    await run(function* () {
      const [far, near] = yield* connectedPair()
      yield* far.write('GET / HTTP/1.1\r\nHost: default.test\r\n\r\n')
      const error = yield* failure(handshake(near, identities))
      t.type(error, NotTlsError)
      t.match(error, { code: 'LEV_HANDSHAKE', message: 'the bytes of the peer are not TLS' })
      t.ok((yield* near.read())?.toString().startsWith('GET'), 'the request is still there')
      yield* near.write('HTTP/1.1 400 Bad Request\r\n\r\n')
      yield* near.end()
      t.match((yield* far.read())?.toString(), /^HTTP\/1\.1 400/, 'and can be answered')
      near.close()
      far.close()
      for (const [bytes, message] of [
        [helloFor('default.test').subarray(0, 30), /left before the handshake/],
        [Buffer.alloc(0), /left before the handshake/],
        [records(malformed('00')), /malformed/],
        [helloFor('default.test'), /./],
      ] as const) {
        const [there, here] = yield* connectedPair()
        yield* there.write(bytes)
        yield* there.end()
        t.match(yield* failure(handshake(here, identities)), { code: 'LEV_HANDSHAKE', message }, `${message}`)
        here.close()
        there.close()
      }
    }, options?.())
  })
}

const malformed = (hex: string): Buffer => message(Buffer.from(hex, 'hex'))

/** What node:tls sends first. */
async function realHello(servername: string): Promise<Buffer> {
  return await new Promise((resolve) => {
    const write = (bytes: Buffer): void => {
      resolve(bytes)
      socket.destroy()
    }
    const socket = new Duplex({ read() {}, write })
    tlsConnect({ socket, servername }).on('error', () => {})
  })
}

t.test('a handshake ends at its deadline, wherever it stands', async (t) => {
  const identities = load(issue('default.test', 'p256'))
  const hello = await realHello('default.test')
  await run(function* () {
    // What comes behind the hello is a record, byte by byte.
    const record = Buffer.concat([Buffer.from([0x17, 3, 3, 0x40, 0]), Buffer.alloc(100)])
    const all = Buffer.concat([hello, record])
    for (const sent of [0, 1, 20, hello.length - 1, hello.length, hello.length + 3]) {
      for (const drips of [false, true]) {
        const [near, far] = pipe()
        yield* far.write(all.subarray(0, sent))
        const start = now()
        near.readDeadline = start + 10
        const dripping = spawn(function* () {
          for (let at = sent; drips && at < sent + 50; at++) {
            yield* sleep(0.7)
            far.put(all.subarray(at, at + 1))
          }
        })
        t.type(yield* failure(handshake(near, identities)), TimeoutError, `after ${sent} bytes${drips ? ', and one every 0.7 s' : ''}`)
        t.ok(now() - start >= 10 && now() - start < 10.1)
        dripping.cancel()
        near.close()
        far.close()
      }
    }
  }, { driver: memory() })
})

t.test('a slow client that sends a hello byte by byte is let in', async (t) => {
  const identities = load(issue('default.test', 'rsa'), { 'one.test': issue('one.test', 'p256') })
  await serving(identities, function* (port, served) {
    t.equal((yield* talk(port, 'one.test')).text, 'one.test one.test\n')
    t.same(served.errors, [])
  }, { driver: memory({ segment: 1 }) })
})

t.test('a name that changes during the handshake is refused', async (t) => {
  const identities = load(issue('default.test', 'p256'))
  const facts: SecureFacts = {
    protocol: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256', alpn: null, serverName: 'other.test', resumed: false,
    peerCertificate: null, authorized: false, reason: null,
  }
  await run(function* () {
    const [near, far] = pipe()
    yield* far.write(helloFor('one.test'))
    yield* near.fill()
    for (const [agreed, refused] of [
      [{}, true], [{ serverName: null }, true], [{ serverName: 'ONE.test.' }, false],
      [{ serverName: null, resumed: true }, true], [{ serverName: null, resumed: true, protocol: 'TLSv1.2' }, false],
    ] as const) {
      near.secure = (function* () {
        return { ...facts, ...agreed }
      }) as unknown as typeof near.secure
      if (refused) t.match(yield* failure(handshake(near, identities)), /the server name changed/)
      else t.match(yield* handshake(near, identities), { facts: { server_name: 'one.test', identity: 'default' } })
    }
    near.close()
    far.close()
  }, { driver: memory() })
})

t.test('a cancelled handshake leaves nothing behind', async (t) => {
  const identities = load(issue('default.test', 'rsa'))
  await run(function* () {
    const [far, near] = yield* connectedPair()
    yield* far.write(helloFor('default.test'))
    const task = spawn(function* () {
      try {
        yield* handshake(near, identities)
      } finally {
        near.close()
      }
    })
    yield* far.read()
    task.cancel()
    t.equal(yield* far.read(), null)
    far.close()
  })
})

t.test('a hello without any extension gets the default identity and a clear end', async (t) => {
  const identities = load(issue('default.test', 'p256'))
  await run(function* () {
    const [far, near] = yield* connectedPair()
    yield* far.write(records(message(helloBody({ extensions: null }))))
    t.match(yield* failure(handshake(near, identities)), { code: 'LEV_HANDSHAKE' })
    t.equal((yield* far.read())?.[0], 21, 'an alert')
    far.close()
  })
})
