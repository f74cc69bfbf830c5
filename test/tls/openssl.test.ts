import { existsSync } from 'node:fs'
import t from 'tap'
import { listen, now, run, spawn, wait, type Listener, type Op } from '../../lev/index.js'
import { handshake, loadIdentities, type Identities } from '../../tls/index.js'
import { Certificates, type KeyKind } from './certificates.js'
import { sClient } from './s-client.js'
import { serving } from './serving.js'

const certificates = new Certificates()
t.teardown(() => certificates.remove())
const root = certificates.issue({ names: ['Root'], ca: true })
const middle = certificates.issue({ names: ['Middle'], ca: true, by: root, kind: 'rsa' })
const today = Date.now() / 1000
const versions = [['-tls1_2', 'TLSv1.2'], ['-tls1_3', 'TLSv1.3']] as const

function identitiesOf(first: KeyKind, second: KeyKind) {
  const make = (name: string, kind: KeyKind) => {
    const { cert, key } = certificates.issue({ names: [name], kind, by: middle })
    return { cert: certificates.joined(`${name}-chain.pem`, cert, middle.cert), key }
  }
  return loadIdentities({
    default: make('default.test', first),
    hosts: {
      'one.test': make('one.test', second),
      '*.two.test': make('*.two.test', first),
      'ed.test': make('ed.test', 'ed25519'),
    },
  }, today).identities
}

const mixes: [KeyKind, KeyKind][] = [
  ['rsa', 'p256'], ['p256', 'rsa'], ['rsa', 'p384'], ['p384', 'p521'], ['rsa', 'rsa'],
]

for (const [first, second] of mixes) {
  t.test(`every host has its own certificate: ${first} by default, and ${second}`, async (t) => {
    await serving(identitiesOf(first, second), function* (port, served) {
      for (const [option, protocol] of versions) {
        for (const [args, subject, host, name] of [
          [['-servername', 'one.test'], 'CN = one.test', 'one.test', 'one.test'],
          [['-servername', 'ONE.Test'], 'CN = one.test', 'one.test', 'one.test'],
          [['-servername', 'a.two.test'], 'CN = *.two.test', '*.two.test', 'a.two.test'],
          [['-servername', 'a.b.two.test'], 'CN = default.test', 'default', 'a.b.two.test'],
          [['-servername', 'ed.test'], 'CN = ed.test', 'ed.test', 'ed.test'],
          [['-servername', 'unknown.test'], 'CN = default.test', 'default', 'unknown.test'],
          [['-noservername'], 'CN = default.test', 'default', null],
        ] as const) {
          const response = yield* wait(sClient(port, [option, '-CAfile', root.cert, ...args]))
          t.match(response, { subject, protocol }, `${args.join(' ')} over ${protocol}`)
          t.match(response.output, /Verify return code: 0 \(ok\)/)
          t.match(response.output, `${host} ${String(name)}\n`)
          t.match(served.facts.at(-1), { identity: host, server_name: name, protocol, resumed: false })
        }
      }
      t.same(served.errors, [])
    })
  })
}

t.test('a session is resumed for its own host and no other', async (t) => {
  await serving(identitiesOf('rsa', 'p256'), function* (port, served) {
    const names = ['one.test', 'a.two.test', 'ed.test', 'unknown.test']
    for (const [option, protocol] of versions) {
      for (const first of names) {
        const session = certificates.path('session')
        const args = ['-CAfile', root.cert, option]
        yield* wait(sClient(port, [...args, '-servername', first, '-sess_out', session]))
        t.ok(existsSync(session))
        for (const second of names) {
          const response = yield* wait(sClient(port, [...args, '-servername', second, '-sess_in', session]))
          t.equal(response.resumed, first === second, `${first}, then ${second} over ${protocol}`)
          t.match(served.facts.at(-1), { server_name: second, resumed: first === second, protocol })
        }
      }
    }
    t.same(served.errors, [])
  })
})

t.test('a resumed session still shows the client certificate that it began with', async (t) => {
  const user = certificates.issue({ names: ['user'], by: root, usage: 'clientAuth' })
  const stranger = certificates.issue({ names: ['stranger'], usage: 'clientAuth' })
  const asks = certificates.issue({ names: ['asks.test'] })
  const client = { ca: root.cert }
  const { identities } = loadIdentities({
    default: { ...asks, ...client, client_certificate: 'require' },
    hosts: { 'asks.test': { ...asks, ...client, client_certificate: 'request' } },
  }, today)
  await serving(identities, function* (port, served) {
    for (const [option] of versions) {
      for (const [name, own, seen] of [
        ['unknown.test', user, { authorized: true, subject: 'CN=user' }],
        ['asks.test', user, { authorized: true, subject: 'CN=user' }],
        ['asks.test', stranger, { authorized: false, subject: 'CN=stranger' }],
        ['asks.test', null, null],
      ] as const) {
        const session = certificates.path('session')
        const args = [option, '-servername', name]
        const certificate = own === null ? [] : ['-cert', own.cert, '-key', own.key]
        yield* wait(sClient(port, [...args, ...certificate, '-sess_out', session]))
        t.match(served.facts.at(-1), { resumed: false, client_certificate: seen })
        yield* wait(sClient(port, [...args, '-sess_in', session]))
        t.match(served.facts.at(-1), { resumed: true, client_certificate: seen }, `${name} over ${option}`)
      }
    }
    t.same(served.errors, [])
  })
})

t.test('a session is not resumed once the identities were loaded again', async (t) => {
  const issued = certificates.issue({ names: ['one.test'] })
  const session = certificates.path('earlier')
  for (const args of [['-sess_out', session], ['-sess_in', session]]) {
    await serving(loadIdentities({ default: issued }, today).identities, function* (port) {
      t.equal((yield* wait(sClient(port, ['-tls1_3', ...args]))).resumed, false)
    })
  }
})

t.test('what is not offered', async (t) => {
  await serving(identitiesOf('rsa', 'p256'), function* (port, served) {
    for (const args of [
      ['-tls1', '-cipher', 'ALL:@SECLEVEL=0'],
      ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'],
      ['-tls1_2', '-cipher', 'AES128-GCM-SHA256'],
      ['-tls1_2', '-cipher', 'ECDHE-RSA-AES128-SHA'],
      ['-tls1_2', '-cipher', 'DHE-RSA-AES128-GCM-SHA256'],
      ['-tls1_2', '-cipher', 'aNULL:@SECLEVEL=0'],
      ['-alpn', 'h2'],
    ]) {
      const { protocol, output } = yield* wait(sClient(port, args))
      t.equal(protocol, null, args.join(' '))
      t.match(output, /alert/)
      t.match(served.errors.splice(0), [{ code: 'LEV_HANDSHAKE' }])
    }
    const { output } = yield* wait(sClient(port, ['-alpn', 'h2,http/1.1']))
    t.match(output, /ALPN protocol: http\/1\.1/)
    t.match((yield* wait(sClient(port, []))).output, /No ALPN negotiated/)
    t.match((yield* wait(sClient(port, ['-tls1_2']))).output, /Server Temp Key: X25519/)
  })
})

t.test('the server chooses the cipher, but ChaCha20 if the client has no AES in hardware', async (t) => {
  await serving(identitiesOf('rsa', 'p256'), function* (port, served) {
    const newer = ['-tls1_3', '-ciphersuites']
    const older = ['-tls1_2', '-cipher']
    for (const [option, offered, chosen] of [
      [newer, 'TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256', 'TLS_AES_128_GCM_SHA256'],
      [newer, 'TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256', 'TLS_CHACHA20_POLY1305_SHA256'],
      [older, 'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256', 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'],
      [older, 'ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256', 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256'],
    ] as const) {
      yield* wait(sClient(port, [...option, offered]))
      t.equal(served.facts.at(-1)?.cipher, chosen)
    }
  })
})

t.test('renegotiation is refused, a change of keys is not', async (t) => {
  const identities = identitiesOf('rsa', 'p256')
  await run(function* () {
    const listener = yield* listen({ ip: '127.0.0.1', port: 0 })
    const meet = function* (args: string[], say: string[]): Op<string> {
      const serving = spawn(() => readLine(listener, identities))
      yield* wait(sClient(listener.address.port, args, say))
      return yield* serving.join()
    }
    t.equal(yield* meet(['-tls1_2'], ['hello']), 'hello\n')
    t.equal(yield* meet(['-tls1_3'], ['K', 'hello']), 'hello\n', 'new keys for the client')
    t.match(yield* meet(['-tls1_2'], ['R', 'hello']), /renegotiation disabled/)
    listener.close()
  })
})

function* readLine(listener: Listener, identities: Identities): Op<string> {
  const stream = yield* listener.accept()
  if (stream === null) return 'no client came'
  stream.readDeadline = now() + 10
  let text = ''
  try {
    yield* handshake(stream, identities)
    while (!text.endsWith('\n')) text += String(yield* stream.read())
  } catch (error) {
    return String(error)
  } finally {
    stream.close()
  }
  return text
}
