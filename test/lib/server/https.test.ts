import { readFileSync } from 'node:fs'
import net from 'node:net'
import tls from 'node:tls'
import t from 'tap'
import type { Config, Handler } from '../../../lib/index.js'
import { Certificates } from '../../tls/certificates.js'
import { curl } from '../../support/curl.js'
import { readResponses, valueOf } from '../../support/responses.js'
import { request, serve } from '../../support/serving.js'

const made = new Certificates()
t.teardown(() => made.remove())
const ca = made.issue({ names: ['Test CA'], ca: true })
const fallback = made.issue({ names: ['localhost'], by: ca, kind: 'rsa' })
const one = made.issue({ names: ['one.test'], by: ca, kind: 'p256' })
const two = made.issue({ names: ['*.two.test'], by: ca, kind: 'rsa' })
const secret = made.issue({ names: ['secret.test'], by: ca, kind: 'p384' })
const visitor = made.issue({ names: ['visitor'], by: ca, usage: 'clientAuth' })

const ssl: Config['ssl'] = {
  default: fallback,
  hosts: { 'one.test': one, '*.two.test': two, 'secret.test': { ...secret, ca: ca.cert, client_certificate: 'require' } },
}

const facts: Handler = (_method, _query, _args, headers, _body, ctx) => [
  JSON.stringify({
    host: headers.host,
    name: ctx.server_name,
    identity: ctx.tls?.identity,
    protocol: ctx.tls?.protocol,
    subject: ctx.tls?.client_certificate?.subject,
    authorized: ctx.tls?.client_certificate?.authorized,
  }),
  200,
  { 'content-type': 'application/json' },
]

function urls(host: string, port: number): string[] {
  return ['--cacert', ca.cert, '--resolve', `${host}:${port}:127.0.0.1`, `https://${host}:${port}/`]
}

t.test('each host responds with its own certificate', async (t) => {
  const { port } = await serve(t, { ssl }, facts)
  for (const [host, identity] of [
    ['localhost', 'default'],
    ['one.test', 'one.test'],
    ['ONE.test', 'one.test'],
    ['a.two.test', '*.two.test'],
  ]) {
    for (const version of ['--tls-max=1.2', '--tlsv1.3']) {
      const args = version === '--tlsv1.3' ? [version] : ['--tls-max', '1.2']
      const { code, text, stderr } = await curl([...args, ...urls(host, port)])
      t.equal(code, 0, `${host} ${version} ${stderr}`)
      const told: unknown = JSON.parse(text)
      t.match(told, { identity, name: host.toLowerCase(), protocol: version === '--tlsv1.3' ? 'TLSv1.3' : 'TLSv1.2' })
    }
  }
})

t.test('client certificates, and hosts that want one', async (t) => {
  const { port, log } = await serve(t, { ssl }, facts)
  const bare = await curl(urls('secret.test', port))
  t.not(bare.code, 0, 'refused without a certificate')
  const known = await curl(['--cert', visitor.cert, '--key', visitor.key, ...urls('secret.test', port)])
  t.match(JSON.parse(known.text), { identity: 'secret.test', authorized: true, subject: /visitor/ })
  const sneaking = await curl(['-i', '-H', 'Host: secret.test', ...urls('one.test', port)])
  t.match(sneaking.text, /^HTTP\/1.1 421 Misdirected Request\r\n/, 'the handshake of one host is not good for another')
  t.match(sneaking.text, /\r\nConnection: close\r\n/)
  t.notOk(log.entries.some((entry) => entry.level === 'error'))
})

t.test('a host of another certificate, and one that no list knows', async (t) => {
  const { port } = await serve(t, { ssl }, facts)
  const other = await curl(['-i', '-H', 'Host: a.two.test', ...urls('one.test', port)])
  t.match(other.text, /^HTTP\/1.1 421 Misdirected Request\r\n/, 'listed as another host\'s')
  for (const host of ['one.test', `ONE.test:${port}`, 'unknown.test', '127.0.0.1']) {
    t.match((await curl(['-i', '-H', `Host: ${host}`, ...urls('one.test', port)])).text, /^HTTP\/1.1 200 /, host)
  }
})

t.test('a target with https on a connection in the clear', async (t) => {
  const { port } = await serve(t, {}, () => 'ok')
  for (const [target, status] of [['https://a.test/', 421], ['HTTPS://a.test/', 421], ['http://a.test/https:', 200]] as const) {
    const socket = net.connect(port, '127.0.0.1')
    socket.end(`GET ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`)
    let text = ''
    for await (const part of socket) text += String(part)
    t.equal(text.slice(0, 13), `HTTP/1.1 ${status} `, target)
  }
})

t.test('pipelined requests with large responses lose nothing', async (t) => {
  const size = 700_000
  const { port } = await serve(t, { ssl, compression: { enabled: false } }, (_method, query) => query.slice(1).repeat(size))
  const count = 20
  const letters = Array.from({ length: count }, (_, index) => String.fromCharCode(97 + index))
  const socket = tls.connect({ port, host: '127.0.0.1', servername: 'one.test', ca: readFileSync(ca.cert) })
  socket.write(letters.map((letter, index) => request(`GET /${letter}`, index === count - 1 ? { Connection: 'close' } : {})).join(''))
  const parts: Buffer[] = []
  for await (const part of socket) parts.push(part as Buffer)
  const { responses } = readResponses(Buffer.concat(parts), letters.map(() => 'GET'), true)
  t.equal(responses.length, count)
  for (const [index, { body }] of responses.entries()) t.ok(body.equals(Buffer.alloc(size, letters[index])), letters[index])
})

t.test('configure swaps all hosts or none', async (t) => {
  const { server, port } = await serve(t, { ssl: { default: fallback } }, facts)
  const identityOf = async (host: string): Promise<unknown> => {
    const { text } = await curl(['-k', ...urls(host, port)])
    return (JSON.parse(text) as { identity: unknown }).identity
  }
  t.equal(await identityOf('one.test'), 'default')
  const broken = { default: one, hosts: { 'one.test': { cert: one.cert, key: two.key } } }
  await t.rejects(server.configure({ ssl: broken }), { code: 'LEVERET_IDENTITY', message: /one\.test/ })
  t.equal(await identityOf('one.test'), 'default', 'a bad set changes nothing')
  await server.configure({ ssl })
  t.equal(await identityOf('one.test'), 'one.test', 'a good one holds for the next connection')
})

t.test('over connection_limit the connection is closed before the handshake', async (t) => {
  const { port, log } = await serve(t, { ssl, connection_limit: 1 }, facts)
  const first = tls.connect({ port, host: '127.0.0.1', servername: 'one.test', ca: readFileSync(ca.cert) })
  await new Promise((resolve) => first.once('secureConnect', resolve))
  const second = tls.connect({ port, host: '127.0.0.1', servername: 'one.test', ca: readFileSync(ca.cert) })
  const error = await new Promise<Error>((resolve) => second.once('error', resolve))
  t.ok(error)
  t.ok(log.entries.some((entry) => entry.level === 'warn' && /connection_limit/.test(String(entry.message))))
  first.destroy()
})

t.test('what is no TLS costs a debug line', async (t) => {
  const { connect, log } = await serve(t, { ssl, log_level: 'debug' }, facts)
  const client = await connect(request('GET /'))
  await client.over
  const lines = log.entries.filter((entry) => /handshake/.test(String(entry.message)))
  t.equal(lines.length, 1)
  t.equal(lines[0].level, 'debug')
})

t.test('plain HTTP where TLS is served gets a 400 in plain text', async (t) => {
  const { ask, port, log } = await serve(t, { ssl }, facts)
  for (const text of [request('GET /'), request('POST / HTTP/1.0', {}, 'x'.repeat(100_000)), 'G']) {
    const response = await ask(text, 'GET')
    t.equal(response.status, 400)
    t.match(valueOf(response, 'content-type'), /^text\/plain/)
    t.equal(response.body.toString(), 'Bad Request: this port speaks HTTPS; the request was sent as plain HTTP\n')
  }
  t.equal((await curl(urls('localhost', port))).code, 0, 'the next client is served')
  t.equal(log.of('error').length, 0)
})
