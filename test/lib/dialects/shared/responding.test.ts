import t, { type Test } from 'tap'
import * as lev from '../../../../lev/index.js'
import * as lune from '../../../../lib/dialects/lune/index.js'
import * as lute from '../../../../lib/dialects/lute/index.js'
import * as nodemcu from '../../../../lib/dialects/nodemcu/index.js'
import * as zune from '../../../../lib/dialects/zune/index.js'
import type { Config } from '../../../../lib/index.js'
import { keptLog, type KeptLog } from '../../../support/kept-log.js'
import { RawClient } from '../../../support/raw-client.js'
import { valueOf, type WireResponse } from '../../../support/responses.js'
import { eventually, gate, request } from '../../../support/serving.js'

/** Gives a response for a path: of any kind, since what handlers must not return is at issue. */
type Respond = (path: string) => unknown

/** What the dialects have in common: a server whose handlers return responses. */
interface Dialect {
  readonly name: string
  readonly status: 'status' | 'statusCode'
  serve(t: Test, respond: Respond, settings?: Config): Promise<{ port: number; log: KeptLog }>
}

const dialects: readonly Dialect[] = [
  {
    name: 'lune',
    status: 'status',
    async serve(t, respond, settings) {
      const log = keptLog()
      const handle = await lune.serve(0, ({ path }) => respond(path) as string, { logger: log, ...settings })
      t.teardown(() => void handle.stop())
      return { port: handle.port, log }
    },
  },
  {
    name: 'lute',
    status: 'status',
    async serve(t, respond, settings) {
      const log = keptLog()
      const server = await lute.serve({ port: 0, handler: ({ path }) => respond(path) as string }, { logger: log, ...settings })
      t.teardown(() => server.close())
      return { port: server.port, log }
    },
  },
  {
    name: 'zune',
    status: 'statusCode',
    async serve(t, respond, settings) {
      const log = keptLog()
      const [ok, server] = await zune.serve({ port: 0, request: ({ path }) => respond(path) as string }, { logger: log, ...settings })
      if (!ok) throw new Error(server)
      t.teardown(() => void server.close())
      return { port: server.port, log }
    },
  },
]

/** Asks on a connection of its own. */
async function get(port: number, path: string): Promise<WireResponse> {
  const client = await RawClient.connect(port, request(`GET ${path}`))
  const [response] = await client.responses(1)
  client.close()
  return response
}

function* operation(): lev.Op<string> {
  yield* lev.sleep(0)
  return 'text'
}

/** A status that the dialect calls by its name, and what else belongs to a response. */
class Page {
  readonly #status: number
  constructor(status: number) {
    this.#status = status
  }
  get status(): number {
    return this.#status
  }
  get statusCode(): undefined {
    return undefined
  }
  get body(): string {
    return 'page'
  }
}

for (const { name, status, serve } of dialects) {
  const other = status === 'status' ? 'statusCode' : 'status'

  t.test(`${name}: what is no response is a 500, and the log names what is wrong`, async (t) => {
    const wrong: Record<string, [returned: () => unknown, message: RegExp]> = {
      '/unknown': [() => ({ ok: true }), /^the response has an unknown field ok; it may have status(Code)?, headers, body$/],
      '/other': [() => ({ [other]: 404 }), new RegExp(`unknown field ${other}; did you mean ${status}\\?$`)],
      '/slip': [() => ({ [status]: 200, haeders: {} }), /unknown field haeders; did you mean headers\?$/],
      '/case': [() => ({ Body: 'x' }), /unknown field Body; did you mean body\?$/],
      '/odd': [() => ({ 'a\r\nb': 1 }), /unknown field "a\\r\\nb"; /],
      '/map': [() => new Map([['body', 'x']]), /^the response must be a string, bytes, or a table \{ status(Code)?, headers, body \}, got a Map$/],
      '/set': [() => new Set(), /got a Set$/],
      '/date': [() => new Date(0), /got a Date$/],
      '/error': [() => new Error('secret'), /got a Error$/],
      '/fetch': [() => new Response('x'), /got a Response$/],
      '/array': [() => ['x', 200], /got an array$/],
      '/number': [() => 5, /got 5$/],
      '/true': [() => true, /got true$/],
      '/nil': [() => undefined, /got a? ?undefined$/],
      '/null': [() => null, /got null$/],
      '/function': [() => () => 'x', /got a function$/],
      '/yield-in-body': [() => ({ body: operation() }), /^the body must be a string or bytes, got a Generator \(was a yield\* forgotten\?\)$/],
      '/await-in-body': [() => ({ body: Promise.resolve('x') }), /^the body must be .*, got a Promise \(was an await or a yield\* forgotten\?\)$/],
      '/body': [() => ({ body: 5 }), /^the body must be a string or bytes, got 5$/],
    }
    const { port, log } = await serve(t, (path) => wrong[path][0]())
    for (const [path, [, message]] of Object.entries(wrong)) {
      const before = log.of('error').length
      const { status, body } = await get(port, path)
      t.strictSame([status, body.toString()], [500, 'Internal Server Error\n'], path)
      const [{ err, query }] = log.of('error').slice(before)
      t.equal(query, path)
      t.match(err, { code: 'LEVERET_RESPONSE', message }, path)
      t.equal(log.of('error').length, before + 1)
    }
  })

  t.test(`${name}: what is one`, async (t) => {
    const right: Record<string, [returned: unknown, status: number, body: string]> = {
      '/empty': [{}, 200, ''],
      '/absent': [{ [status]: undefined, headers: null, body: undefined }, 200, ''],
      '/unknown-and-undefined': [{ body: 'x', [other]: undefined }, 200, 'x'],
      '/bare': [Object.assign(Object.create(null) as object, { body: 'bare', [status]: 404 }), 404, 'bare'],
      '/class': [name === 'zune' ? { body: 'page', statusCode: 201 } : new Page(201), 201, 'page'],
      '/inherited': [Object.create({ body: 'below', [status]: 202 }), 202, 'below'],
    }
    // A forgotten `yield*` or `await` is made up for.
    const waits: Record<string, () => unknown> = {
      '/operation-of-async': async () => operation(),
      '/operation-of-coroutine': function* () { return operation() },
      '/promise-of-coroutine': function* () { return Promise.resolve('text') },
    }
    for (const path of Object.keys(waits)) right[path] = [null, 200, 'text']
    const { port, log } = await serve(t, (path) => waits[path]?.() ?? right[path][0])
    for (const [path, [, status, body]] of Object.entries(right)) {
      const response = await get(port, path)
      t.strictSame([response.status, response.body.toString()], [status, body], path)
    }
    t.strictSame(log.of('error'), [])
  })
}

t.test('Content-Type where the program gave none, as in each original', async (t) => {
  const page = `<p>${'text '.repeat(2000)}</p>`
  for (const { name, status, serve } of dialects) {
    const given: Record<string, [returned: unknown, type: string | undefined]> = {
      '/text': [page, name === 'lute' ? 'text/html; charset=utf-8' : undefined],
      '/utf-8': ['ä€', name === 'lute' ? 'text/html; charset=utf-8' : undefined],
      '/bytes': [Buffer.from(page), undefined],
      '/table': [{ body: page }, undefined],
      '/headers': [{ body: page, headers: { 'X-A': 'b' } }, undefined],
      '/no-headers': [{ body: page, headers: null, [status]: 404 }, undefined],
      '/null': [{ body: page, headers: { 'content-type': null } }, undefined],
      '/own': [{ body: page, headers: { 'content-TYPE': 'text/css' } }, 'text/css'],
    }
    const { port } = await serve(t, (path) => given[path][0])
    for (const [path, [, type]] of Object.entries(given)) {
      const client = await RawClient.connect(port, request(`GET ${path}`, { 'Accept-Encoding': 'gzip' }))
      const [response] = await client.responses(1)
      client.close()
      t.equal(valueOf(response, 'content-type'), type, `${name} ${path}`)
      t.equal(valueOf(response, 'content-encoding'), type !== undefined && path !== '/utf-8' ? 'gzip' : undefined)
      if (type === undefined) t.match(response.body.toString(), path === '/utf-8' ? 'ä€' : page)
    }
  }
})

t.test('a hundred clients at once are served, and connection_limit may be set', async (t) => {
  const count = 100
  for (const dialect of [...dialects, nodeMcu]) {
    for (const limit of [undefined, null, 10]) {
      const { opened, open } = gate()
      let entered = 0
      const { port } = await dialect.serve(t, async () => {
        entered++
        await opened
        return 'served'
      }, { connection_limit: limit })
      const clients = await Promise.all(Array.from({ length: count }, () => RawClient.connect(port, request('GET /'))))
      await eventually(() => entered + clients.filter(({ ended }) => ended).length === count, 'each client is served or refused')
      if (limit !== 10) t.equal(entered, count, dialect.name)
      else t.ok(entered > 0 && entered <= limit, `${dialect.name}: ${entered} are served`)
      open()
      const texts = clients.filter(({ ended }) => !ended).map(async (client) => (await client.responses(1))[0].body.toString())
      t.ok((await Promise.all(texts)).every((text) => text === 'served'))
      for (const client of clients) client.close()
    }
  }
})

const nodeMcu: Pick<Dialect, 'name' | 'serve'> = {
  name: 'nodemcu',
  async serve(t, respond, settings) {
    const log = keptLog()
    const srv = await nodemcu.createServer(0, async (req, res) => {
      res.finish(String(await respond(req.url)))
    }, { logger: log, ...settings })
    t.teardown(() => void srv.close())
    return { port: srv.getaddr()[0] ?? 0, log }
  },
}
