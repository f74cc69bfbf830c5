import t from 'tap'
import { Context } from '../../../lib/request/context.js'
import type { Config, Handler } from '../../../lib/index.js'
import { h2Exchange, h2Request } from '../../support/h2-wire.js'
import { isInstalled, proxies, startProxy } from '../../support/proxies.js'
import { RawClient } from '../../support/raw-client.js'
import { serve } from '../../support/serving.js'
import { h2Probes } from './smuggling-probes-h2.js'
import { hidden, post, probes, sound, TE } from './smuggling-probes.js'

// Each probe goes through a real proxy, with a second request behind it on its connection, and the requests of another client
// after it. The proxy gives each request that it sees an id: a request without one, or a response with another's, is smuggled.

/** Requests that proxies pass on, and read a body of, or none. */
const more: Record<string, string> = {
  'TE behind a tab': post(`${TE}:\tchunked`, `0\r\n\r\n${hidden}`),
  'TE in another case': post(`${TE}: ChUnKeD`, `0\r\n\r\n${hidden}`),
  'TE with an underscore': post('Transfer_Encoding: chunked\r\nContent-Length: 5', `0\r\n\r\n${hidden}`),
  'CL with an underscore': post(`Content_Length: 5\r\n${TE}: chunked`, `0\r\n\r\n${hidden}`),
  'CL that Connection has taken away': post(`Connection: Content-Length\r\nContent-Length: ${hidden.length}`, hidden),
  'TE that Connection has taken away': post(`Connection: Transfer-Encoding\r\n${TE}: chunked`, `0\r\n\r\n${hidden}`),
  'Host that Connection has taken away': post('Connection: Host\r\nContent-Length: 4', 'body'),
  'Expect': post(`Expect: 100-continue\r\nContent-Length: ${hidden.length}`, hidden),
  'Expect, chunked': post(`Expect: 100-continue\r\n${TE}: chunked`, `0\r\n\r\n${hidden}`),
  'Expect, of another kind': post(`Expect: 100-continuE \r\nContent-Length: ${hidden.length}`, hidden),
  'Upgrade to h2c': post('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nContent-Length: 0', hidden),
  'Upgrade to WebSocket, of a wrong version': `GET /first HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 1\r\n\r\n${hidden}`,
  'GET with a body': `GET /first HTTP/1.1\r\nHost: t\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
  'HEAD with a body': `HEAD /first HTTP/1.1\r\nHost: t\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
  'a body that is longer than its chunks': post(`${TE}: chunked`, `${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n${hidden}`),
  'a chunk extension that holds a request': post(`${TE}: chunked`, `1;a="GET /smuggled HTTP/1.1"\r\nx\r\n0\r\n\r\n`),
  'trailers that hold a request': post(`${TE}: chunked`, `0\r\nX: GET /smuggled HTTP/1.1\r\nHost: t\r\n\r\n`),
  'HTTP/1.0 with a body': `POST /first HTTP/1.0\r\nHost: t\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
  'HTTP/1.0 with two lengths': `POST /first HTTP/1.0\r\nHost: t\r\nConnection: keep-alive\r\nContent-Length: ${hidden.length}\r\nContent-Length: 0\r\n\r\n${hidden}`,
}

const next = 'GET /second HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n'

const h2Second = h2Request(3, [[':method', 'GET'], [':scheme', 'http'], [':path', '/second'], [':authority', 't']], null)

interface Call {
  readonly id: string
  readonly target: string
  readonly from: number
}

/** Heads of the responses in `text`, by lower-case name; `status` besides. */
function heads(text: string): Record<string, string>[] {
  return text.split(/(?=HTTP\/1\.[01] [1-5]\d\d )/).filter((one) => one !== '').map((one) => {
    const [line = '', ...fields] = one.split('\r\n\r\n')[0].split('\r\n')
    const entries = fields.map((field) => [field.slice(0, field.indexOf(':')).toLowerCase(), field.slice(field.indexOf(':') + 1).trim()])
    return { ...Object.fromEntries(entries) as Record<string, string>, status: line.split(' ')[1] }
  })
}

/** Those that only say that much is to come: proxies would wait for it. */
const endless = new Set(['CL: 2^53', 'chunk size 2^32'])
const table = Object.entries({ ...probes, ...sound, ...more }).filter(([what]) => !endless.has(what))

/** Sends a probe, and a request behind it, through the proxy that listens on `path`, and gives what came back. */
async function exchange(path: string, probe: string, inPieces: boolean): Promise<string> {
  const client = await RawClient.connect(path)
  const last = probe.length - (inPieces ? 5 : 0)
  await client.sendAll(probe.slice(0, last))
  if (inPieces) await new Promise((resolve) => setTimeout(resolve, 2))
  await client.sendAll(probe.slice(last) + next)
  await client.over
  client.close()
  return client.text
}

/** How the server takes bodies: whole, or not at all. */
const ways: Record<string, Config> = { 'bodies are buffered': {}, 'bodies are left unread, and end after their response': { buffer_body: false } }

for (const proxy of proxies) {
  const skip = isInstalled(proxy) ? false : `${proxy.program} is not installed`
  for (const [way, config] of Object.entries(ways)) {
    t.test(`behind ${proxy.name}; ${way}`, { skip }, async (t) => {
      const calls: Call[] = []
      const handle: Handler = (_method, query, _args, headers, _body, ctx) => {
        const id = headers['x-request-id'] ?? ''
        calls.push({ id, target: query, from: Context.peer(ctx).port })
        return ['x', 200, { 'X-Served': id }]
      }
      const { port } = await serve(t, { connection_limit: 1000, ...config }, handle)
      const path = await startProxy(t, proxy, port)
      let reused = 0
      /** Has a probe sent, and another client's requests behind it. `send` gives the responses, where they can be read. */
      const check = async (what: string, send: () => Promise<string>): Promise<void> => {
        calls.length = 0
        const responses = heads(await send())
        const others = heads(await exchange(path, 'GET /other HTTP/1.1\r\nHost: t\r\n\r\n', false))
        const wrong = [...responses, ...others].filter((head) => head['x-served'] !== undefined && head['x-served'] !== head['x-proxied'])
        t.strictSame(wrong, [], `${what}: each response is that of its request`)
        t.strictSame(others.map((head) => [head.status, head['x-target']]), [['200', '/other'], ['200', '/second']], `${what}: another client's requests`)
        const ids = calls.map(({ id }) => id)
        t.ok(ids.every((id) => id !== '') && new Set(ids).size === ids.length, `${what}: all requests are the proxy's: ${JSON.stringify(calls)}`)
        reused += calls.length - new Set(calls.map(({ from }) => from)).size
      }
      for (const [what, probe] of table) await check(what, () => exchange(path, probe, config.buffer_body === false))
      for (const [what, probe] of Object.entries(h2Probes)) {
        await check(`HTTP/2, ${what}`, async () => {
          await h2Exchange(`${path}.h2`, [probe, h2Second])
          return ''
        })
      }
      t.ok(reused > 100, `connections to the server were shared, ${reused} times`)
    })
  }
}
