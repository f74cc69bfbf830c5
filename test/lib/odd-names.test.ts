import t from 'tap'
import * as lev from '../../lev/index.js'
import type { Op } from '../../lev/index.js'
import * as lune from '../../lib/dialects/lune/index.js'
import * as lute from '../../lib/dialects/lute/index.js'
import * as nodemcu from '../../lib/dialects/nodemcu/index.js'
import * as zune from '../../lib/dialects/zune/index.js'
import { request as ask, websocket } from '../../lib/index.js'
import { keptLog } from '../support/kept-log.js'
import { request, serve } from '../support/serving.js'

/** Names that every object of JavaScript knows, and one that none does. */
const odd = ['__proto__', 'constructor', 'toString', 'valueOf', 'hasOwnProperty', '__defineGetter__', 'isPrototypeOf', 'prototype', 'other']
const lower = odd.map((name) => name.toLowerCase())

const roots = [Object.prototype, Array.prototype, Map.prototype, Function.prototype]
const before = JSON.stringify(roots.map((root) => Reflect.ownKeys(root).map(String)))
t.teardown(() => {
  if (JSON.stringify(roots.map((root) => Reflect.ownKeys(root).map(String))) !== before) throw new Error('a prototype was changed')
})

/** What such a table says of each name: looked up, asked for, and listed. */
function seen(table: object | undefined, names: readonly string[]): unknown[] {
  const given = table ?? {}
  return names.map((name) => [name, (given as Record<string, unknown>)[name], name in given, Object.hasOwn(given, name), Object.keys(given).includes(name)])
}

/** What it has to say where each name was sent with a value, or none was. */
function expected(names: readonly string[], value: unknown): unknown[] {
  return names.map((name) => [name, value, value !== undefined, value !== undefined, value !== undefined])
}

/** All of them, each as a property of its own. */
const sent: Readonly<Record<string, string>> = Object.fromEntries(odd.map((name) => [name, 'sent']))

t.test('the core: headers, fields, files, their headers, trailers', async (t) => {
  const tables = new Map<string, object>()
  const { ask: send } = await serve(t, {}, function* (_method, query, _args, headers, _body, ctx) {
    tables.clear()
    tables.set('headers', headers)
    if (query !== '/') {
      const { fields, files } = yield* ctx.body.form()
      tables.set('fields', fields)
      if (files.length > 0) tables.set('headers of a file', files[0].headers)
      tables.set('trailers', ctx.body.trailers)
    }
    return ''
  })
  const check = (names: Record<string, readonly string[]>, value: unknown): void => {
    for (const [what, list] of Object.entries(names)) t.strictSame(seen(tables.get(what), list), expected(list, value), `${what}: ${String(value)}`)
  }
  await send(request('GET /', sent))
  check({ headers: lower }, 'sent')
  await send(request('GET /'))
  check({ headers: lower }, undefined)
  const urlencoded = { 'Content-Type': 'application/x-www-form-urlencoded' }
  await send(request('POST /form', urlencoded, odd.map((name) => `${name}=sent`).join('&')))
  check({ fields: odd }, 'sent')
  await send(request('POST /form', urlencoded, odd.map((name) => `${name}=1&${name}=2`).join('&')))
  check({ fields: odd }, ['1', '2'])
  await send(request('POST /form', urlencoded, 'a=b'))
  check({ fields: odd, trailers: lower }, undefined)
  const multipart = { 'Content-Type': 'multipart/form-data; boundary=b' }
  const field = (name: string): string => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\nsent\r\n`
  const file = (more: string): string => `--b\r\nContent-Disposition: form-data; name="__proto__"; filename="__proto__"\r\n${more}\r\nx\r\n`
  const lines = odd.map((name) => `${name}: sent\r\n`).join('')
  await send(request('POST /form', multipart, `${odd.map(field).join('')}${file(lines)}--b--`))
  check({ 'fields': odd, 'headers of a file': lower }, 'sent')
  await send(request('POST /form', multipart, `${file('')}--b--`))
  check({ 'fields': odd, 'headers of a file': lower }, undefined)
  await send(request('POST /form', { ...urlencoded, 'Transfer-Encoding': 'chunked' }, `0\r\n${lines}\r\n`))
  check({ trailers: lower }, 'sent')
})

type Told = (tables: Record<string, object>) => void

interface Started {
  readonly port: number
  stop(): Op<unknown>
}

/** The servers of the dialects. Each tells of the tables of a request, and responds with odd headers. */
const dialects: Record<string, (told: Told) => Op<Started>> = {
  *lune(told) {
    const { port, stop } = yield* lune.serve(0, ({ headers, query }) => {
      told({ headers, query })
      return { headers: sent }
    }, { logger: keptLog() })
    return { port, stop }
  },
  *lute(told) {
    const server = yield* lute.serve({
      port: 0,
      handler({ headers, query }) {
        told({ headers, query })
        return { headers: sent }
      },
    }, { logger: keptLog() })
    return {
      port: server.port,
      *stop() {
        server.close()
        yield* lev.sleep(1)
      },
    }
  },
  *zune(told) {
    const [ok, handle] = yield* zune.serve({
      port: 0,
      request({ headers }) {
        told({ headers })
        return { headers: sent }
      },
    }, { logger: keptLog() })
    if (!ok) throw new Error(handle)
    return handle
  },
  *nodemcu(told) {
    const server = yield* nodemcu.createServer(0, (req, res) => {
      const headers = Object.create(null) as Record<string, string>
      req.onheader = (_self, name, value) => void (headers[name] = value)
      req.ondata = (_self, chunk) => {
        if (chunk !== null) return
        told({ headers })
        for (const [name, value] of Object.entries(sent)) res.send_header?.(name, value)
        res.finish('')
      }
    }, { logger: keptLog() })
    return { port: server.getaddr()[0] ?? 0, stop: () => server.close() }
  },
}

/** The clients: each sends odd headers, and an odd query where it takes one, and gives the headers of the response. */
const clients: Record<string, (url: string) => Op<object>> = {
  *core(url) { return (yield* ask({ url, headers: sent, query: sent })).headers },
  *lune(url) { return (yield* lune.request({ url, headers: sent, query: sent })).headers },
  *zune(url) {
    const [ok, response] = yield* zune.request(`${url}/?${new URLSearchParams(sent).toString()}`, { headers: sent })
    return ok ? response.headers : {}
  },
}

for (const [dialect, start] of Object.entries(dialects)) {
  t.test(`${dialect}: headers, queries, and what the clients send and get`, async (t) => {
    await lev.run(function* () {
      let tables: Record<string, object> = {}
      const { port, stop } = yield* start((told) => (tables = told))
      for (const [client, send] of Object.entries(clients)) {
        const headers = yield* send(`http://127.0.0.1:${port}`)
        t.strictSame(seen(headers, lower), expected(lower, 'sent'), `response to ${client}`)
        for (const [what, table] of Object.entries(tables)) {
          const names = what === 'query' ? odd : lower
          t.strictSame(seen(table, names), expected(names, 'sent'), `${what} by ${client}`)
        }
      }
      const repeated = odd.flatMap((name) => [`${name}=1`, `${name}=2`]).join('&')
      yield* ask(`http://127.0.0.1:${port}/?${repeated}`)
      t.strictSame(seen(tables.headers, lower), expected(lower, undefined), 'no headers')
      if ('query' in tables) {
        t.strictSame(seen(tables.query, odd), expected(odd, dialect === 'lune' ? ['1', '2'] : '1'), 'a query with names twice')
        yield* ask(`http://127.0.0.1:${port}/?a=b`)
        t.strictSame(seen(tables.query, odd), expected(odd, undefined), 'another query')
      }
      yield* stop()
    }, { driver: lev.memory() })
  })
}

t.test('the core: headers of a response as its handler gives them, and of a handshake for a WebSocket', async (t) => {
  let table: object = {}
  const { port } = await serve(t, {}, (_method, _query, _args, headers) => {
    table = headers
    return ['', 200, sent]
  })
  await lev.run(function* () {
    const { headers } = yield* ask(`http://127.0.0.1:${port}/`)
    t.strictSame(seen(headers, lower), expected(lower, 'sent'))
    try {
      yield* websocket(`ws://127.0.0.1:${port}/`, { headers: sent })
    } catch (error) {
      t.match(error, { status: 200 })
    }
    t.strictSame(seen(table, lower), expected(lower, 'sent'))
  })
})
