import { copyFileSync, readFileSync } from 'node:fs'
import tls from 'node:tls'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import * as server from '../../../lib/index.js'
import { defaults, mergeSettings } from '../../../lib/config/settings.js'
import { Certificates } from '../../tls/certificates.js'
import { serve } from '../../support/serving.js'

const made = new Certificates()
t.teardown(() => made.remove())
const one = made.issue({ names: ['one.test'], kind: 'rsa' })
const two = made.issue({ names: ['two.test'] })

/** Which certificate a host is shown. */
async function shown(port: number, servername: string): Promise<string> {
  const socket = tls.connect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false })
  await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
  const { subject } = socket.getPeerCertificate()
  socket.destroy()
  return String(subject.CN)
}

t.test('ssl without a default is merged host by host', async (t) => {
  const pair = { cert: 'c', key: 'k' }
  const other = { pfx: 'p' }
  const both = mergeSettings(defaults, { ssl: { default: pair, hosts: { 'a.test': pair, 'B.test': pair } } })
  const merged = (ssl: unknown): unknown => mergeSettings(both, { ssl }).ssl
  t.same(merged({ hosts: { 'c.test': other } }), { default: pair, hosts: { 'a.test': pair, 'B.test': pair, 'c.test': other } })
  t.same(merged({ hosts: { 'a.test': other } }), { default: pair, hosts: { 'a.test': other, 'B.test': pair } })
  t.same(merged({ hosts: { 'b.test.': [other, pair] } }), { default: pair, hosts: { 'a.test': pair, 'b.test.': [other, pair] } }, 'a name in another form')
  t.same(merged({ hosts: { 'a.test': null, 'x.test': null } }), { default: pair, hosts: { 'B.test': pair } }, 'null takes a host away')
  t.same(merged({ allow_expired: true }), { default: pair, allow_expired: true, hosts: { 'a.test': pair, 'B.test': pair } })
  const bytes = Uint8Array.from({ length: 32 }, (_, index) => index)
  t.match(merged({ ticket_secret: bytes }), { hosts: { 'a.test': pair }, ticket_secret: Buffer.from(bytes).toString('base64') })
  t.same(merged({}), { default: pair, hosts: { 'a.test': pair, 'B.test': pair } })
  t.same(merged({ default: other }), { default: other }, 'with a default it takes the place of all')
  t.equal(merged(null), null)
  t.ok(Object.isFrozen((merged({ hosts: { 'c.test': [pair, other] } }) as server.TlsConfig).hosts?.['c.test']))
  for (const [ssl, key, message] of [
    [{ hosts: { 'a.test': {} } }, 'ssl.hosts.a.test.cert', 'ssl.hosts.a.test.cert is missing: give cert and key, or pfx'],
    [{ hosts: { 'a.test': 'x' } }, 'ssl.hosts.a.test', 'ssl.hosts.a.test must be an object { cert, key } or { pfx }, got "x"'],
    [{ hosts: { 'a.test:1': null } }, 'ssl.hosts.a.test:1', /is not a host name such as/],
    [{ hosts: null, host: {} }, 'ssl.host', 'unknown setting ssl.host; did you mean ssl.hosts?'],
    [{ default: pair, hosts: { 'a.test': null } }, 'ssl.hosts.a.test', 'ssl.hosts.a.test must be an object { cert, key } or { pfx }, got null'],
    [7, 'ssl', 'ssl must be an object { default: { cert, key }, hosts } or null, got 7'],
  ] as const) t.throws(() => merged(ssl), { name: 'ConfigError', key, message }, key)
  t.throws(() => mergeSettings(defaults, { ssl: { hosts: { 'a.test': pair } } }), { key: 'ssl.default', message: /is missing/ })
})

t.test('a list of identities: what is wrong is named by its place', async (t) => {
  const pair = { cert: 'c', key: 'k' }
  for (const [list, key, message] of [
    [[], '', 'must hold an identity for each kind of key, got an empty array'],
    [[pair, { cert: 'c' }], '[1].key', 'is missing: cert does not go without it'],
    [[pair, { ...pair, crt: 'c' }], '[1].crt', /^unknown setting .*\[1\]\.crt; did you mean .*\[1\]\.cert\?$/],
    [[{ ...pair, cert: '' }, pair], '[0].cert', 'must be the path of a file, got ""'],
    [[pair, null], '[1]', 'must be an object { cert, key } or { pfx }, got null'],
    [[pair, [pair]], '[1]', 'must be an object { cert, key } or { pfx }, got an array'],
    [[pair, { ...pair, ca: 'a' }], '[1].ca', "belongs in the first identity of the list: it is the host's"],
    [[pair, { ...pair, client_certificate: 'request' }], '[1].client_certificate', "belongs in the first identity of the list: it is the host's"],
  ] as const) {
    for (const [ssl, place] of [
      [{ default: list }, 'ssl.default'], [{ default: pair, hosts: { 'a.test': list } }, 'ssl.hosts.a.test'],
    ] as const) {
      const expected = { name: 'ConfigError', key: place + key, message: typeof message === 'string' ? `${place}${key} ${message}` : message }
      t.throws(() => mergeSettings(defaults, { ssl }), expected, place + key)
    }
  }
  const list = [{ ...pair, ca: 'a', client_certificate: 'require' }, { pfx: 'p', passphrase: 'x', ca: null }]
  t.same(mergeSettings(defaults, { ssl: { default: list } }).ssl?.default, [list[0], { pfx: 'p', passphrase: 'x' }])
})

t.test('configure for one host', async (t) => {
  const { server: served, port } = await serve(t, { ssl: { default: one, hosts: { 'one.test': one } } }, () => 'x')
  await served.configure({ ssl: { hosts: { 'two.test': [two, one] } } })
  t.equal(await shown(port, 'two.test'), 'two.test')
  t.equal(await shown(port, 'one.test'), 'one.test')
  await t.rejects(served.configure({ ssl: { hosts: { 'one.test': two, 'two.test': { cert: two.cert, key: one.key } } } }), {
    code: 'LEVERET_IDENTITY', message: /^the identity of "two\.test": .*does not belong/,
  })
  t.equal(await shown(port, 'one.test'), 'one.test', 'nothing of what was refused')
  await served.configure({ ssl: { hosts: { 'two.test': null } } })
  t.equal(await shown(port, 'two.test'), 'one.test', 'the default')
})

/** The secure contexts made in each turn of the event loop while `act` runs. */
async function madeInTurns(act: () => Promise<void>): Promise<number[]> {
  const module = process.getBuiltinModule('node:tls')
  const { createSecureContext } = module
  const counts: number[] = [0]
  let turn: NodeJS.Immediate
  const next = (): void => {
    counts.push(0)
    turn = setImmediate(next)
  }
  module.createSecureContext = (options) => {
    counts[counts.length - 1]++
    return createSecureContext(options)
  }
  turn = setImmediate(next)
  try {
    await act()
  } finally {
    clearImmediate(turn)
    module.createSecureContext = createSecureContext
  }
  return counts
}

t.test('configure takes in many hosts one a turn, and parses what has changed', async (t) => {
  const files = { cert: made.path('changing.crt'), key: made.path('changing.key') }
  copyFileSync(one.cert, files.cert)
  copyFileSync(one.key, files.key)
  const hosts = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`h${index}.test`, index === 50 ? files : two]))
  const { server: served, port } = await serve(t, { ssl: { default: one }, log_level: 'error' }, () => 'x')
  const sum = (counts: number[]): number => counts.reduce((one, other) => one + other, 0)

  const first = await madeInTurns(() => served.configure({ ssl: { hosts } }))
  t.equal(sum(first), 100)
  t.equal(Math.max(...first), 1, 'one in a turn')
  t.equal(await shown(port, 'h99.test'), 'two.test')

  const again = await madeInTurns(() => served.configure({}))
  t.equal(sum(again), 0)
  t.ok(again.length >= 100, 'reading takes turns, too')

  copyFileSync(two.cert, files.cert)
  copyFileSync(two.key, files.key)
  t.equal(sum(await madeInTurns(() => served.configure({ log_level: 'error' }))), 1)
  t.equal(await shown(port, 'h50.test'), 'two.test')
})

t.test('handshakes are done while configure is at work', async (t) => {
  const hosts = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`h${index}.test`, two]))
  const { server: served, port } = await serve(t, { ssl: { default: one } }, () => 'x')
  let atWork = true
  let during = 0
  const configured = served.configure({ ssl: { default: two, hosts } }).finally(() => (atWork = false))
  while (atWork) {
    await shown(port, 'h0.test')
    if (atWork) during++
  }
  await configured
  t.ok(during > 0)
  t.equal(await shown(port, 'h0.test'), 'two.test')
})

t.test('calls of configure take effect one after another', async (t) => {
  const { server: served, port } = await serve(t, { ssl: { default: one } }, (_m, _q, _a, _h, _b, ctx) => String(ctx.cfg.max_body_size))
  const order: string[] = []
  const call = (name: string, config: server.ConfigChanges): Promise<unknown> =>
    served.configure(config).then(() => order.push(name), (error: unknown) => order.push(`${name}: ${String(error).split(':')[0]}`))
  await Promise.all([
    call('first', { ssl: { hosts: { 'two.test': two } }, max_body_size: 1 }),
    call('second', { ssl: { hosts: { 'two.test': { cert: two.cert, key: one.key } } }, max_body_size: 2 }),
    call('third', { port: -1 } as server.ConfigChanges),
    call('fourth', { ssl: { hosts: { 'one.test': one } } }),
    call('fifth', { max_body_size: 5 }),
  ])
  t.same(order, ['first', 'second: IdentityError', 'third: ConfigError', 'fourth', 'fifth'])
  t.equal(await shown(port, 'two.test'), 'two.test')
  t.equal(await shown(port, 'one.test'), 'one.test')
})

t.test('without TLS the settings hold at once', async (t) => {
  await lev.run(function* () {
    const service = server.new({ log_level: 'error' }, (_m, _q, _a, _h, _b, ctx) => String(ctx.cfg.min_transfer_rate))
    const [near, far] = lev.pipe()
    const configured = service.configure({ min_transfer_rate: 7 })
    yield* far.write('GET / HTTP/1.0\r\n\r\n')
    yield* service.process_request(near, '127.0.0.1', 1)
    t.match(String(yield* far.read()), /7$/)
    yield* lev.wait(configured)
    near.close()
    far.close()
  }, { driver: lev.memory() })
})

t.test('in a simulation', async (t) => {
  await lev.run(function* () {
    const service = server.new({ log_level: 'error', ssl: { default: one } }, () => 'x')
    const done = service.serve()
    const address = yield* lev.wait(service.listening)
    const from = lev.now()
    yield* lev.wait(service.configure({ ssl: { hosts: { 'two.test': two } } }))
    t.ok(lev.now() - from < 1)
    const stream = yield* lev.connect(address)
    const context = tls.createSecureContext({ ca: readFileSync(two.cert) })
    const facts = yield* stream.secure({ side: 'client', context, alpn: [], serverName: 'two.test', verify: true })
    t.equal(facts.authorized, true)
    stream.close()
    yield* lev.wait(service.stop({ drain: 0 }))
    yield* lev.wait(done)
  }, { driver: lev.memory() })
})
