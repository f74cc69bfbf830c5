import { mkdtempSync, readFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import { redirected, type Hop } from '../../../lib/client/redirect.js'
import * as lune from '../../../lib/dialects/lune/index.js'
import * as zune from '../../../lib/dialects/zune/index.js'
import { request, websocket, type RequestOptions } from '../../../lib/index.js'
import { developmentIdentities } from '../../../tls/index.js'
import { failure } from '../../../testing/virtual.js'
import { serve } from '../../support/serving.js'
import { listen } from '../../support/listen.js'

// What a server over https: sends on to http: must not leave the machine: neither a byte nor a connection.

const made = developmentIdentities(mkdtempSync(join(tmpdir(), 'leveret-')), ['localhost'], Date.now() / 1000)
const tls = { ca: readFileSync(made.ca) }

/** A server in the clear that keeps what it is sent: it responds with 200. */
async function listener(): Promise<{ port: number; connections: () => number; received: () => string }> {
  let connections = 0
  let received = ''
  const server = net.createServer((socket) => {
    connections++
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1')
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
    })
  })
  t.teardown(() => server.close())
  return { port: await listen(server), connections: () => connections, received: () => received }
}

t.test('no disguise of a URL leads from https: to http:', async (t) => {
  const hop: Hop = { url: new URL('https://a.test/x/y?z'), method: 'GET', headers: {}, body: null, tls: null, socketPath: null }
  for (const there of [
    'http://a.test/', 'HTTP://a.test/', ' http://a.test/', 'ht\ttp://a.test/', '\x01http://a.test/', 'http:a.test', 'http:/a.test', 'http:\\\\a.test', 'http:/x', 'http:',
    'http://u:p@a.test/', 'http://a.test:443/', 'http://a.test./', 'http://[::1]/',
  ]) {
    for (const status of [301, 302, 303, 307, 308]) {
      // Some are no URL at all.
      t.throws(() => redirected(hop, status, there, false), { code: 'LEVERET_REQUEST', message: /not encrypted|no URL/ }, `${status} ${JSON.stringify(there)}`)
    }
  }
  for (const there of ['/there', 'there', '?there', '#there', '', '//b.test/there', '\\\\b.test', 'https:there', 'https:/there', '/http://b.test/', './http:there']) {
    t.equal(redirected(hop, 307, there, false)?.url.protocol, 'https:', JSON.stringify(there))
  }
  for (const there of ['ws://a.test/', 'wss://a.test/', 'ftp://a.test/', 'file:///etc/passwd', 'data:,x', 'javascript:x', 'blob:https://a.test/x']) {
    t.throws(() => redirected(hop, 302, there, true), { code: 'LEVERET_REQUEST', message: /URL of/ }, there)
  }
})

t.test('requests of all clients, whatever the redirect', async (t) => {
  const plain = await listener()
  const served = { asked: 0 }
  const { port } = await serve(t, { ssl: made.ssl }, (_method, query) => {
    served.asked++
    const [, status, hops] = query.split('/')
    // Within https: first, then out of it.
    if (Number(hops) > 0) return [null, Number(status), { Location: `/${status}/${Number(hops) - 1}` }]
    return [null, Number(status), { Location: `http://localhost:${plain.port}/there` }]
  })
  const headers = { 'X-Api-Key': 'secret', 'Authorization': 'secret', 'Cookie': 'secret' }
  for (const status of [301, 302, 303, 307, 308]) {
    for (const hops of [0, 2]) {
      const url = `https://user:secret@localhost:${port}/${status}/${hops}`
      const refused = { code: 'LEVERET_REQUEST', message: /localhost:\d+, which is not encrypted/ }
      const before = served.asked
      await lev.run(function* () {
        for (const more of [{}, { stream: true }, { method: 'HEAD' }, { method: 'PUT', body: 'secret' }, { method: 'POST', body: new URLSearchParams({ a: 'secret' }) }]) {
          t.match(yield* failure(request({ url, headers, tls, ...more } as RequestOptions)), refused, `${status} after ${hops}: ${JSON.stringify(more)}`)
        }
      })
      await t.rejects(Promise.resolve(lune.request({ url, method: 'POST', body: 'secret', headers }, { tls })), refused as never, 'Lune')
      t.match(await zune.request(url, { method: 'POST', body: 'secret', headers }, { tls }), [false, refused.message], 'Zune')
      t.equal(served.asked - before, 7 * (hops + 1), 'each was asked')
    }
  }
  t.strictSame([plain.connections(), plain.received()], [0, ''])

  const url = `https://user:secret@localhost:${port}/307/0`
  const settings = { tls, insecureRedirects: true }
  const mine = { 'X-A': '1', 'Authorization': 'secret', 'Cookie': 'secret' }
  t.equal((await lune.request({ url, method: 'POST', body: 'content', headers: mine }, settings)).body, 'ok', 'the option allows it')
  t.match(await zune.request(url, { method: 'POST', body: 'content', headers: mine }, settings), [true, { body: 'ok' }])
  t.equal(plain.connections(), 2)
  t.match(plain.received(), /content/)
  t.notMatch(plain.received(), /secret|dXNlcjp/, 'without credentials')
})

t.test('through a proxy: it is not asked for the rest in the clear', async (t) => {
  const proxy = await listener()
  const { port } = await serve(t, { ssl: made.ssl }, () => [null, 307, { Location: 'http://other.test/there' }])
  const tunnel = net.createServer((client) => {
    client.on('error', () => {})
    client.once('data', () => {
      const server = net.connect(port, '127.0.0.1', () => {
        client.write('HTTP/1.1 200 OK\r\n\r\n')
        client.pipe(server).pipe(client)
      })
      server.on('error', () => {})
    })
  })
  t.teardown(() => tunnel.close())
  const through = await listen(tunnel)
  const before = process.env.http_proxy
  process.env.http_proxy = `http://127.0.0.1:${proxy.port}`
  t.teardown(() => (before === undefined ? delete process.env.http_proxy : (process.env.http_proxy = before)))
  const options = { url: `https://localhost:${port}/`, method: 'POST', body: 'secret', tls }
  await lev.run(function* () {
    for (const way of [{}, { proxy: `http://127.0.0.1:${through}` }]) {
      t.match(yield* failure(request({ ...options, ...way })), { code: 'LEVERET_REQUEST', message: /other\.test, which is not encrypted/ })
    }
    t.equal(proxy.connections(), 0)
    t.equal((yield* request({ ...options, insecureRedirects: true })).body.toString(), 'ok')
  })
  t.match(proxy.received(), /^POST http:\/\/other\.test\/there HTTP/)
})

t.test('WebSockets follow no redirect', async (t) => {
  const plain = await listener()
  const { port } = await serve(t, { ssl: made.ssl }, (_method, query) => [null, Number(query.slice(1)), { Location: `http://localhost:${plain.port}/` }])
  for (const status of [301, 302, 303, 307, 308]) {
    const url = `wss://localhost:${port}/${status}`
    const refused = { code: 'LEVERET_UPGRADE', status }
    t.match(await lev.run(() => failure(websocket(url, { tls }))), refused)
    await t.rejects(Promise.resolve(lune.socket(url, { tls })), refused as never)
    t.match(await zune.websocket(url, [], { tls }), [false, new RegExp(`${status}`)])
  }
  t.equal(plain.connections(), 0)
})
