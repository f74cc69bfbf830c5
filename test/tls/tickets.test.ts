import { randomBytes } from 'node:crypto'
import { scope, wait, type Driver, type Op } from '../../lev/index.js'
import { nodeDriver } from '../../lev/drivers/node/node.js'
import t from 'tap'
import { loadIdentities, type IdentityConfig, type TlsConfig } from '../../tls/index.js'
import { sessionSeconds, ticketPeriodSeconds, ticketSecretText } from '../../tls/tickets.js'
import { Certificates } from './certificates.js'
import { sClient } from './s-client.js'
import { serving } from './serving.js'

const certificates = new Certificates()
t.teardown(() => certificates.remove())
const root = certificates.issue({ names: ['Root'], ca: true })
const other = certificates.issue({ names: ['Other'], ca: true })
const one = certificates.issue({ names: ['one.test'], by: root })
const renewed = certificates.issue({ names: ['one.test'], by: root })
const user = certificates.issue({ names: ['user'], by: root, usage: 'clientAuth' })
const secret = randomBytes(32)
const versions = ['-tls1_2', '-tls1_3']
const today = Date.now() / 1000
let sessions = 0

/** Servers with one configuration each, on clocks that the test sets. */
function servers(configs: readonly TlsConfig[], clock: { time: number }, story: (ports: readonly number[]) => Op<void>): Promise<void> {
  const open = function* (ports: readonly number[]): Op<void> {
    const config = configs[ports.length]
    if (config === undefined) return yield* story(ports)
    const { identities } = loadIdentities(config, today)
    const driver: Driver = { ...nodeDriver(), wallClock: () => clock.time }
    yield* wait(serving(identities, (port) => open([...ports, port]), { driver }))
  }
  return serving(loadIdentities({ default: one }, today).identities, () => scope(() => open([])))
}

/** Whether a session that began at `first` is resumed at `second`. */
function* resumes(first: number, second: number, args: readonly string[], between = (): void => {}): Op<boolean> {
  const session = certificates.path(`session-${sessions++}`)
  const { output } = yield* wait(sClient(first, [...args, '-sess_out', session]))
  if (!output.includes(`lifetime hint: ${sessionSeconds} `)) throw new Error(`no ticket: ${output}`)
  between()
  return (yield* wait(sClient(second, [...args, '-sess_in', session]))).resumed
}

t.test('a session is resumed by every server that has the secret', async (t) => {
  const clock = { time: today }
  const hosts = { 'one.test': one, '*.two.test': one }
  await servers([
    { default: one, hosts, ticket_secret: secret },
    { default: one, hosts: { ...hosts, 'one.test': renewed }, ticket_secret: ` ${secret.toString('base64')}\n` },
    { default: one, hosts, ticket_secret: randomBytes(32) },
    { default: one, hosts },
  ], clock, function* ([first, same, changed, none]) {
    for (const version of versions) {
      for (const name of ['one.test', 'a.two.test', 'unknown.test']) {
        const args = [version, '-servername', name]
        t.equal(yield* resumes(first, same, args), true, `${name} over ${version}`)
        t.equal(yield* resumes(same, first, args), true)
      }
      const args = [version, '-servername', 'one.test']
      t.equal(yield* resumes(first, changed, args), false, 'another secret')
      t.equal(yield* resumes(first, none, args), false, 'without one')
    }
  })
})

t.test('the keys change with the time', async (t) => {
  const begin = Math.ceil(today / ticketPeriodSeconds) * ticketPeriodSeconds
  const clock = { time: begin }
  const config = { default: one, ticket_secret: secret }
  const at = (time: number) => (): void => void (clock.time = time)
  await servers([config, config], clock, function* ([first, second]) {
    for (const version of versions) {
      clock.time = begin
      t.equal(yield* resumes(first, second, [version], at(begin + ticketPeriodSeconds - 0.1)), true, 'in one period')
      t.equal(yield* resumes(first, second, [version], at(begin + ticketPeriodSeconds)), false, 'in the next one')
      t.equal(yield* resumes(first, second, [version]), true, 'there with the new keys')
      t.equal(yield* resumes(first, second, [version], at(begin)), false, 'a clock that is behind')
    }
  })
})

/** The keys of tickets that each host of a configuration has. */
function keysOf(config: TlsConfig): Map<string, string> {
  const tls = process.getBuiltinModule('node:tls')
  const { createSecureContext } = tls
  const made = new Map<unknown, string>()
  tls.createSecureContext = (options) => {
    const context = createSecureContext(options)
    t.equal(options?.ticketKeys?.length, 48)
    made.set(context, options?.ticketKeys?.toString('hex') ?? '')
    return context
  }
  try {
    return new Map([...loadIdentities(config, today).identities].map(({ host, context }) => [host, made.get(context) ?? '']))
  } finally {
    tls.createSecureContext = createSecureContext
  }
}

t.test('every host, and every set of rules, has keys of its own; what says nothing about a client changes none', async (t) => {
  const ticket_secret = secret.toString('base64')
  const keyOf = (host: string, identity: IdentityConfig | IdentityConfig[]): string =>
    keysOf({ default: one, hosts: { [host]: identity }, ticket_secret }).get(host) ?? ''
  const both = certificates.joined('both.crt', root.cert, other.cert)
  const reversed = certificates.joined('reversed.crt', other.cert, root.cert)
  const wider = certificates.issue({ names: ['one.test', 'two.test'] })
  const different = [
    keyOf('one.test', one), keyOf('two.test', one), keyOf('*.one.test', one), keyOf('default.test', one), keysOf({ default: one, ticket_secret }).get('default'),
    keyOf('one.test', wider),
    ...(['request', 'require'] as const).flatMap((client_certificate) =>
      [root.cert, other.cert, both].map((ca) => keyOf('one.test', { ...one, ca, client_certificate }))),
    keysOf({ default: one, ticket_secret: randomBytes(32) }).get('default'),
  ]
  t.equal(new Set(different).size, different.length)
  t.equal(keyOf('one.test', renewed), different[0], 'a renewed certificate')
  t.equal(keysOf({ default: one, hosts: { 'ONE.test.': one }, ticket_secret }).get('one.test'), different[0], 'the same name')
  const rsa = certificates.issue({ names: ['one.test'], kind: 'rsa' })
  t.equal(keyOf('one.test', [one, rsa]), different[0], 'one more kind of key')
  t.equal(keyOf('one.test', { ...one, ca: both, client_certificate: 'require' }), keyOf('one.test', { ...one, ca: reversed, client_certificate: 'require' }))
})

t.test('no host takes what another one has verified', async (t) => {
  const clock = { time: today }
  const asks = (ca: string, client_certificate: 'request' | 'require'): IdentityConfig => ({ ...one, ca, client_certificate })
  const hosts = { 'asks.test': asks(root.cert, 'request'), 'strict.test': asks(root.cert, 'require') }
  await servers([
    { default: one, hosts, ticket_secret: secret },
    { default: one, hosts: { 'asks.test': asks(other.cert, 'request'), 'strict.test': asks(root.cert, 'require') }, ticket_secret: secret },
  ], clock, function* ([first, second]) {
    for (const version of versions) {
      const known = [version, '-cert', user.cert, '-key', user.key, '-servername']
      t.equal(yield* resumes(first, second, [...known, 'strict.test']), true)
      t.equal(yield* resumes(first, second, [...known, 'asks.test']), false, 'other rules on the other server')
      const session = certificates.path('crossing')
      yield* wait(sClient(first, [...known, 'asks.test', '-sess_out', session]))
      for (const name of ['strict.test', 'default.test']) {
        t.equal((yield* wait(sClient(second, [version, '-servername', name, '-sess_in', session]))).resumed, false, name)
      }
    }
  })
})

t.test('what is no secret', async (t) => {
  for (const [given, got] of [
    ['short', '5 characters'], ['', '0 characters'], [Buffer.alloc(31, 'abcdefgh'), '31 bytes'], ['x'.repeat(64), 'one that repeats a few characters'],
    [Buffer.alloc(64), 'one that repeats a few characters'], [7, 'a value of type number'], [null, 'a value of type object'],
  ] as const) {
    t.throws(() => ticketSecretText(given), { message: `must be at least 32 random bytes, as such or in base64 (openssl rand -base64 32), got ${got}` })
  }
  for (let length = 32; length < 40; length++) {
    const bytes = randomBytes(length)
    t.equal(ticketSecretText(new Uint8Array(bytes)), bytes.toString('base64'))
    t.equal(ticketSecretText(bytes.toString('base64url')), bytes.toString('base64url'))
    t.equal(ticketSecretText(`${bytes.toString('hex')}\n`), bytes.toString('hex'))
  }
  t.throws(() => loadIdentities({ default: one, ticket_secret: 'short' }, today), { name: 'IdentityError', message: /ticket_secret must be at least 32 random bytes/ })
})
