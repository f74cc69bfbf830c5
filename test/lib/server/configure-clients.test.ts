import { readFileSync } from 'node:fs'
import tls, { createSecureContext, type SecureVersion } from 'node:tls'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import type { Config, Handler } from '../../../lib/index.js'
import { Certificates, type Issued } from '../../tls/certificates.js'
import { RawClient } from '../../support/raw-client.js'
import { request, serve } from '../../support/serving.js'
import { virtually, type VirtualClient, type World } from '../../support/virtual.js'

// Rules for client certificates that change while connections are open, or while clients hold session tickets.

const made = new Certificates()
t.teardown(() => made.remove())
const one = made.issue({ names: ['one.test'] })
const renewed = made.issue({ names: ['one.test'] })
const two = made.issue({ names: ['two.test'] })
const authority = made.issue({ names: ['Authority'], ca: true })
const other = made.issue({ names: ['Other authority'], ca: true })
const both = made.joined('both.pem', authority.cert, other.cert)
const known = made.issue({ names: ['known'], by: authority, usage: 'clientAuth' })
const stranger = made.issue({ names: ['stranger'], usage: 'clientAuth' })

type Rules = { readonly ca?: string; readonly client_certificate?: 'request' | 'require' }

const ssl = (rules: Rules, identity = one): NonNullable<Config['ssl']> =>
  ({ default: two, hosts: { 'one.test': { ...identity, ...rules } } })
const asked = (ca = authority.cert): Rules => ({ ca, client_certificate: 'request' })
const required = (ca = authority.cert): Rules => ({ ca, client_certificate: 'require' })

const who: Handler = (_method, _query, _args, _headers, _body, ctx) => {
  const certificate = ctx.tls?.client_certificate ?? null
  return certificate === null ? 'no certificate' : `${certificate.authorized ? '' : 'perhaps '}${certificate.subject}`
}

const pair = (issued: Issued | null) => (issued === null ? {} : { cert: readFileSync(issued.cert), key: readFileSync(issued.key) })
const get = (host = 'one.test', headers: Readonly<Record<string, string>> = {}): string => request('GET /', { Host: host, ...headers })
const upgrade = (): string => get('one.test', {
  'Upgrade': 'websocket', 'Connection': 'Upgrade', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
})

/** A client with an open connection to `one.test`. */
function* open(connect: World['connect'], issued: Issued | null, first = get()): Op<VirtualClient> {
  const client = yield* connect()
  const context = createSecureContext({ ca: [readFileSync(one.cert), readFileSync(renewed.cert)], ...pair(issued) })
  yield* client.stream.secure({ side: 'client', context, alpn: [], serverName: 'one.test', verify: true })
  client.send(first)
  return client
}

for (const [title, before, issued, after, stays] of [
  ['require, after none', {}, known, required(), false],
  ['require, after request, and no certificate', asked(), null, required(), false],
  ['require, after request, and a certificate that is not trusted', asked(), stranger, required(), false],
  ['require, after request, and a trusted certificate', asked(), known, required(), true],
  ['another authority', required(), known, required(other.cert), false],
  ['another authority, for a host that requests', asked(), known, asked(other.cert), false],
  ['one more authority', required(), known, required(both), true],
  ['one authority less', required(both), known, required(), false],
  ['the same rules, and no certificate', asked(), null, asked(), true],
  ['no authority any more', required(), known, {}, false],
] as const) {
  t.test(`${title}: a connection that is open ${stays ? 'stays' : 'gets 421, and is closed'}`, async (t) => {
    await virtually({ ssl: ssl(before) }, who, function* ({ connect, server }: World) {
      const idle = yield* open(connect, issued)
      const parked = yield* open(connect, issued)
      const upgrading = yield* open(connect, issued)
      const elsewhere = yield* open(connect, issued)
      for (const client of [idle, upgrading, elsewhere]) yield* client.responses(1)
      const [{ body }] = yield* parked.responses(1)
      yield* lev.sleep(3)
      idle.send(get())
      yield* idle.responses(2)
      yield* lev.wait(server.configure({ ssl: ssl(after, stays ? renewed : one) }))

      // Of two requests at once the second is not looked at.
      for (const client of [idle, parked]) client.send(get() + get('one.test', { Connection: 'close' }))
      const want = stays ? [200, 200, 200] : [200, 421]
      t.strictSame((yield* parked.all()).responses.map(({ status }) => status), want)
      const { responses, ending } = yield* idle.all()
      t.strictSame(responses.map(({ status }) => status), [200, ...want])
      t.equal(ending, 'end')
      if (stays) t.equal(String(responses.at(-1)?.body), String(body))

      upgrading.send(upgrade())
      t.equal((yield* upgrading.responses(2))[1].status, stays ? 200 : 421)
      elsewhere.send(get('unknown.test', { Connection: 'close' }))
      const lost = !stays && String(body) === 'CN=known'
      t.equal((yield* elsewhere.all()).responses[1].status, lost ? 421 : 200, 'a host of no rules gets no verification that holds no more')
    })
  })
}

t.test('a connection that is shaking hands is under the rules of the end of it', async (t) => {
  await virtually({ ssl: ssl({}) }, who, function* ({ connect, server }: World) {
    const early = yield* connect()
    yield* lev.sleep(1)
    yield* lev.wait(server.configure({ ssl: ssl(required()) }))
    const context = createSecureContext({ ca: readFileSync(one.cert), ...pair(known) })
    yield* early.stream.secure({ side: 'client', context, alpn: [], serverName: 'one.test', verify: true })
    early.send(get())
    t.equal(String((yield* early.responses(1))[0].body), 'CN=known')
  })
})

t.test('a connection from before there was TLS', async (t) => {
  await virtually({}, who, function* ({ connect, server }: World) {
    const client = yield* connect(get() + get('two.test'))
    yield* client.responses(2)
    yield* lev.wait(server.configure({ ssl: ssl(required()) }))
    client.send(get('two.test') + get())
    t.strictSame((yield* client.all()).responses.map(({ status }) => status), [200, 200, 200, 421])
  })
})

interface Asked {
  /** Null: it was refused. */
  readonly text: string | null
  readonly session: Buffer | undefined
  readonly resumed: boolean
}

/** Asks once over a new connection. */
async function ask(port: number, maxVersion: SecureVersion, issued: Issued | null, session?: Buffer, host = 'one.test'): Promise<Asked> {
  const options = { port, host: '127.0.0.1', servername: host, maxVersion, session, rejectUnauthorized: false, ...pair(issued) }
  const socket = tls.connect(options)
  let last: Buffer | undefined
  let resumed = false
  socket.once('secureConnect', () => (resumed = socket.isSessionReused()))
  socket.on('session', (given) => (last = given))
  const client = new RawClient(socket)
  client.send(get(host, { Connection: 'close' }))
  await client.over
  const [, text = null] = /\r\n\r\n(.*)$/.exec(client.text) ?? []
  client.close()
  return { text, session: last, resumed }
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  t.test(`tickets of before do not carry over what was verified by other rules, ${version}`, async (t) => {
    const { port, server } = await serve(t, { ssl: ssl(asked()) }, who)
    const strange = await ask(port, version, stranger)
    const trusted = await ask(port, version, known)
    t.equal(strange.text, 'perhaps CN=stranger')
    t.equal(trusted.text, 'CN=known')
    t.match(await ask(port, version, null, trusted.session), { text: 'CN=known', resumed: true }, 'while nothing has changed they are good')

    await server.configure({ ssl: ssl(required()) })
    t.equal((await ask(port, version, null, strange.session)).text, null)
    t.equal((await ask(port, version, null, trusted.session)).text, null)
    const again = await ask(port, version, known, strange.session)
    t.match(again, { text: 'CN=known', resumed: false })

    await server.configure({ ssl: ssl(required(other.cert)) })
    t.equal((await ask(port, version, known, again.session)).text, null)
    await server.configure({ ssl: ssl(asked(other.cert)) })
    t.equal((await ask(port, version, known, again.session)).text, 'perhaps CN=known')
    t.equal((await ask(port, version, null, again.session)).text, 'no certificate')
    await server.configure({ ssl: ssl(required()) })
    t.equal((await ask(port, version, null, again.session)).text, null, 'also when the rules are what they were')
  })
  t.test(`with a secret for tickets, those of other rules do not count either, ${version}`, async (t) => {
    const secret = 'an example of 43 characters, not a random one'
    const { port, server } = await serve(t, { ssl: { ...ssl(asked()), ticket_secret: secret } }, who)
    const strange = await ask(port, version, stranger)
    const trusted = await ask(port, version, known)
    await server.configure({ max_body_size: 7 })
    await server.configure({ ssl: { ...ssl(asked(), renewed), ticket_secret: secret } })
    t.match(await ask(port, version, null, trusted.session), { text: 'CN=known', resumed: true }, 'a renewed certificate')

    await server.configure({ ssl: { ...ssl(required()), ticket_secret: secret } })
    for (const { session } of [strange, trusted]) t.equal((await ask(port, version, null, session)).text, null)
    await server.configure({ ssl: { ...ssl(asked(other.cert)), ticket_secret: secret } })
    t.match(await ask(port, version, null, trusted.session), { text: 'no certificate', resumed: false })

    await server.configure({ ssl: { ...ssl(asked()), ticket_secret: secret } })
    t.match(await ask(port, version, null, trusted.session), { text: 'CN=known', resumed: true }, 'the rules that it began with')
    await server.configure({ ssl: { ticket_secret: `another: ${secret}` } })
    t.match(await ask(port, version, null, trusted.session), { text: 'no certificate', resumed: false })
  })
  t.test(`a ticket of one host is nothing to another, ${version}`, async (t) => {
    const hosts = {
      'one.test': { ...one, ...asked() }, 'strict.test': { ...one, ...required() }, 'other.test': { ...one, ...asked(other.cert) }, '*.wide.test': { ...one, ...asked() },
    }
    const { port } = await serve(t, { ssl: { default: one, hosts } }, who)
    for (const [issued, text] of [[known, 'CN=known'], [stranger, 'perhaps CN=stranger']] as const) {
      const { session } = await ask(port, version, issued)
      t.match(await ask(port, version, null, session), { text, resumed: true })
      t.match(await ask(port, version, null, session, 'strict.test'), { text: null, resumed: false })
      for (const host of ['other.test', 'a.wide.test', 'unknown.test']) t.match(await ask(port, version, null, session, host), { text: 'no certificate', resumed: false }, host)
    }
  })

  t.test(`a ticket outlives no certificate, ${version}`, async (t) => {
    const { port, server } = await serve(t, { ssl: ssl(asked()) }, who)
    const { now } = Date
    t.teardown(() => (Date.now = now))
    for (const [rules, stranded] of [[asked(), 'perhaps CN=known'], [required(), null]] as const) {
      await server.configure({ ssl: ssl(rules) })
      const { session } = await ask(port, version, known)
      const second = await ask(port, version, null, session)
      t.match(second, { text: 'CN=known', resumed: true })
      Date.now = () => now() + 10 * 365 * 86_400_000
      t.equal((await ask(port, version, null, second.session ?? session)).text, stranded)
      Date.now = now
    }
  })
}
