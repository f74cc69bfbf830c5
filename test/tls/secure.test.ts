import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Duplex } from 'node:stream'
import { connect, createSecureContext } from 'node:tls'
import type { ConnectionOptions, SecureContextOptions, TLSSocket } from 'node:tls'
import t from 'tap'
import type { Security } from '../../lev/drivers/driver.js'
import { Certificates, type Issued } from './certificates.js'
import { memoryWire, tcpWire, watch, type Wire } from './wires.js'

const certificates = new Certificates()
t.teardown(() => certificates.remove())
const root = certificates.issue({ names: ['Root'], ca: true })
const leaf = certificates.issue({ names: ['one.test', 'IP:127.0.0.1'], by: root })
const user = certificates.issue({ names: ['user'], by: root, usage: 'clientAuth' })
const stranger = certificates.issue({ names: ['stranger'], usage: 'clientAuth' })
const ca = readFileSync(root.cert)

const pair = ({ cert, key }: Issued) => ({ cert: readFileSync(cert), key: readFileSync(key) })
const context = (options: SecureContextOptions = {}) =>
  createSecureContext({ ca, minVersion: 'TLSv1.2', sessionIdContext: 'test', ...options })
const server = (clientCertificate: 'none' | 'request' | 'require' = 'none'): Security =>
  ({ side: 'server', context: context(pair(leaf)), alpn: ['http/1.1'], clientCertificate })
const client = (options: SecureContextOptions = {}, serverName = 'one.test', verify = true): Security =>
  ({ side: 'client', context: context(options), alpn: ['http/1.1'], serverName, verify })
const plainClient = (socket: Duplex, options: ConnectionOptions = {}): TLSSocket =>
  connect({ socket, ca, servername: 'one.test', ...options }).on('error', () => {})

const wires: [string, Wire][] = [['a socket', tcpWire], ['a Duplex', memoryWire]]
const versions = ['TLSv1.2', 'TLSv1.3'] as const

for (const [wireName, wire] of wires) {
  for (const version of versions) {
    t.test(`${version} over ${wireName}`, async (t) => {
      t.test('both sides know what was agreed on', async (t) => {
        const [a, b] = await wire()
        const here = watch(a, server())
        const there = watch(b, client({ maxVersion: version }))
        await Promise.all([here.settled, there.settled])
        t.match(here.facts, {
          protocol: version, alpn: 'http/1.1', serverName: 'one.test', resumed: false,
          peerCertificate: null, authorized: false, reason: 'no certificate was asked for',
        })
        t.match(here.facts?.cipher, /^TLS_/)
        t.match(there.facts, { protocol: version, alpn: 'http/1.1', serverName: 'one.test', authorized: true })
        t.equal(there.facts?.peerCertificate?.checkHost('one.test'), 'one.test')
        there.socket.end()
        here.socket.end()
        await Promise.all([here.closed, there.closed])
        t.same(here.events, ['secure', 'end', 'close'])
        t.same(there.events, ['secure', 'end', 'close'])
        t.ok(a.destroyed && b.destroyed, 'the plain sockets are gone too')
      })

      t.test('all bytes arrive when both sides say much and end at once', async (t) => {
        const [a, b] = await wire()
        const response = randomBytes(8 << 20)
        const question = randomBytes(2 << 20)
        const here = watch(a, server())
        const there = watch(b, client({ maxVersion: version }))
        await there.settled
        there.socket.end(question)
        await here.settled
        here.socket.cork()
        for (let at = 0; at < response.length; at += 100_000) here.socket.write(response.subarray(at, at + 100_000))
        here.socket.uncork()
        here.socket.end()
        await Promise.all([here.closed, there.closed])
        t.ok(here.bytes.equals(question))
        t.ok(there.bytes.equals(response))
        t.same([...here.errors, ...there.errors], [])
      })

      t.test('an end of the other direction leaves this one open', async (t) => {
        const [a, b] = await wire()
        const here = watch(a, server())
        const there = watch(b, client({ maxVersion: version }))
        await there.settled
        there.socket.end('question')
        await once(here.socket, 'end')
        t.equal(here.bytes.toString(), 'question')
        await new Promise((resolve) => setTimeout(resolve, 20))
        t.notOk(here.socket.destroyed)
        here.socket.write('response, ')
        await new Promise((resolve) => setTimeout(resolve, 20))
        here.socket.end('late')
        await there.closed
        t.equal(there.bytes.toString(), 'response, late')
      })

      for (const asked of ['request', 'require'] as const) {
        t.test(`client certificate: ${asked}`, async (t) => {
          const meet = async (own: Issued | null) => {
            const [a, b] = await wire()
            const here = watch(a, server(asked))
            const there = watch(b, client({ maxVersion: version, ...(own === null ? {} : pair(own)) }))
            await here.settled
            if (here.facts !== null) here.socket.end()
            there.socket.end()
            await Promise.all([here.closed, there.closed])
            return here
          }
          const good = await meet(user)
          t.match(good.facts, { authorized: true, reason: null, peerCertificate: { subject: 'CN=user' } })
          const none = await meet(null)
          const bad = await meet(stranger)
          if (asked === 'request') {
            t.match(none.facts, { authorized: false, reason: 'no certificate was sent', peerCertificate: null })
            t.match(bad.facts, { authorized: false, reason: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
            t.equal(bad.facts?.peerCertificate?.subject, 'CN=stranger')
          } else {
            t.same([none.facts, bad.facts], [null, null])
            t.match(none.errors, [{ message: 'peer did not return a certificate' }])
            t.match(bad.errors, [/certificate was refused: DEPTH_ZERO_SELF_SIGNED_CERT/])
            t.equal(none.errors.length + bad.errors.length, 2)
          }
        })
      }

      t.test('ALPN: none offered is served, none in common is refused', async (t) => {
        const offers = [[undefined, null], [['h2', 'http/1.1'], 'http/1.1'], [['h2'], undefined]] as const
        for (const [offer, alpn] of offers) {
          const [a, b] = await wire()
          const here = watch(a, server())
          const options: ConnectionOptions = { maxVersion: version }
          if (offer !== undefined) options.ALPNProtocols = [...offer]
          plainClient(b, options)
          await here.settled
          t.equal(here.facts?.alpn, alpn, `${offer ?? 'no ALPN'}`)
          const refused = { code: 'ERR_SSL_NO_APPLICATION_PROTOCOL', message: 'no application protocol' }
          if (alpn === undefined) t.match(here.errors, [refused])
          here.socket.destroy()
          b.destroy()
        }
      })

      t.test('garbage behind the handshake is one error', async (t) => {
        const [a, b] = await wire()
        const here = watch(a, server())
        const there = watch(b, client({ maxVersion: version }))
        await Promise.all([here.settled, there.settled])
        // Around the TLS layer: this is what a fault on the line looks like.
        b.write('certainly no TLS record')
        await here.closed
        t.same(here.events, ['secure', 'error', 'close'])
        t.ok(a.destroyed)
        b.destroy()
      })
    })
  }

  t.test(`handshakes that fail over ${wireName}`, async (t) => {
    const failures: [string, (peer: Duplex) => void][] = [
      ['garbage', (peer) => peer.write('GET / HTTP/1.1\r\n\r\n')],
      ['an end at once', (peer) => peer.end()],
      ['an end in the middle', (peer) => peer.end(Buffer.from('160301020001', 'hex'))],
      ['a client that vanishes', (peer) => {
        peer.write(Buffer.from('160301020001', 'hex'), () => peer.destroy())
      }],
      ['TLS 1.1', (peer) => {
        plainClient(peer, { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' })
      }],
      ['a client that does not trust', (peer) => plainClient(peer, { ca: [] })],
    ]
    for (const [name, act] of failures) {
      const [a, b] = await wire()
      b.on('error', () => {}).resume()
      const here = watch(a, server())
      act(b)
      await here.closed
      t.same(here.events.filter((event) => event !== 'secure' && event !== 'end'), ['error', 'close'], name)
      t.ok(a.destroyed, name)
      b.destroy()
    }
  })

  t.test(`a destroyed handshake releases both sockets over ${wireName}`, async (t) => {
    const [a, b] = await wire()
    const here = watch(a, server())
    b.write(Buffer.from('160301020001', 'hex'))
    await new Promise((resolve) => setTimeout(resolve, 10))
    t.same(here.events, [], 'a client that never goes on is waited for')
    here.socket.destroy()
    await here.closed
    t.same(here.events, ['close'])
    t.ok(a.destroyed)
    b.destroy()
  })

  t.test(`bytes received before the handshake count, wherever the cut is, over ${wireName}`, async (t) => {
    for (const cut of [1, 4, 5, 6, 50, 150, 1 << 20]) {
      const [a, b] = await wire()
      const there = plainClient(b)
      there.once('secureConnect', () => there.end('question'))
      const received: Buffer[] = []
      let length = 0
      while (length < Math.min(cut, 100)) {
        const bytes: Buffer | null = a.read(Math.min(cut, a.readableLength || 1))
        if (bytes === null) await once(a, 'readable')
        else {
          received.push(bytes)
          length += bytes.length
        }
      }
      a.removeAllListeners('readable')
      const here = watch(a, server(), Buffer.concat(received))
      await once(here.socket, 'end')
      t.equal(here.bytes.toString(), 'question', `cut at ${cut}`)
      here.socket.end()
      await here.closed
      there.destroy()
    }
  })

  t.test(`the client side checks whom it talks to over ${wireName}`, async (t) => {
    const meet = async (security: Security) => {
      const [a, b] = await wire()
      const here = watch(a, server())
      const there = watch(b, security)
      await there.settled
      there.socket.destroy()
      here.socket.destroy()
      await Promise.all([here.closed, there.closed])
      return there
    }
    t.match((await meet(client())).facts, { authorized: true })
    t.match((await meet(client({}, '127.0.0.1'))).facts, { authorized: true, serverName: null })
    const cases: [Security, RegExp][] = [
      [client({}, 'two.test'), /two\.test/],
      [client({}, '127.0.0.2'), /127\.0\.0\.2/],
      [client({ ca: [] }), /self-signed certificate in certificate chain/],
    ]
    for (const [security, message] of cases) {
      const refused = await meet(security)
      t.equal(refused.facts, null)
      t.same(refused.events.filter((event) => event === 'error').length, 1)
      t.match(refused.errors[0]?.message, message)
    }
    const lax = await meet(client({}, 'two.test', false))
    t.match(lax.facts, { authorized: false, reason: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  })
}

t.test('an end that was read before the handshake fails it', async (t) => {
  for (const consumed of [false, true]) {
    const [a, b] = await tcpWire()
    b.end(Buffer.from('160301020001', 'hex'))
    b.on('error', () => {}).resume()
    const received: Buffer[] = []
    if (consumed) {
      a.on('data', (bytes: Buffer) => received.push(bytes))
      a.resume()
      await once(a, 'end')
      a.removeAllListeners('data')
    } else {
      await once(a, 'readable')
      await new Promise((resolve) => setTimeout(resolve, 20))
      received.push(a.read(3) as Buffer)
    }
    const here = watch(a, server(), Buffer.concat(received))
    await here.closed
    t.match(here.errors, [/closed the connection during the handshake/])
    t.equal(here.errors.length, 1)
  }
})

t.test('a reset is one error', async (t) => {
  for (const version of versions) {
    const [a, b] = await tcpWire()
    const here = watch(a, server())
    const there = watch(b, client({ maxVersion: version }))
    await Promise.all([here.settled, there.settled])
    here.socket.write('x')
    await once(there.socket, 'data')
    if ('resetAndDestroy' in b && typeof b.resetAndDestroy === 'function') b.resetAndDestroy()
    await Promise.all([here.closed, there.closed])
    t.same(here.events, ['secure', 'error', 'close'], version)
    t.match(here.errors, [{ code: 'ECONNRESET' }])
    t.ok(a.destroyed)
  }
})

t.test('renegotiation is refused whatever the context allows', async (t) => {
  const [a, b] = await tcpWire()
  const here = watch(a, server())
  const there = plainClient(b, { maxVersion: 'TLSv1.2' })
  await once(there, 'secureConnect')
  there.renegotiate({}, () => {})
  await here.closed
  t.match(here.errors, [{ code: 'ERR_TLS_RENEGOTIATION_DISABLED' }])
  t.same(here.events, ['secure', 'error', 'close'])
})
