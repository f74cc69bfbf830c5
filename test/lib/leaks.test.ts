import { Blob } from 'node:buffer'
import { Readable } from 'node:stream'
import { ReadableStream } from 'node:stream/web'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import * as lev from '../../lev/index.js'
import type { Op } from '../../lev/index.js'
import { eventStream, new as create, webSocketCallbacks, type Config, type Context, type Handler, type HandlerResult, type RequestBody, type WebSocket } from '../../lib/index.js'
import { keptLog } from '../support/kept-log.js'
import { living } from '../support/living.js'
import { RawClient } from '../support/raw-client.js'
import { eventually, request } from '../support/serving.js'
import { closeFrame, frame, handshake, opcodes } from './websocket/wire.js'

/** What becomes of the work of a handler: it ends, fails, or goes on until it is stopped. */
type Course = 'ends' | 'fails' | 'lasts'

/** Tasks of a server without connections. The last of them begin after it listens. */
const serverTasks = 5

/** Sources that were opened and not closed. */
let open = 0

/** Goes on as it is to, one step at each call; false: it is over. */
function step(course: Course, count: number): boolean {
  if (course === 'fails' && count === 3) throw new Error('broken')
  return course === 'lasts' || count < 3
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2))

function* pieces(course: Course): Generator<string, void> {
  open++
  try {
    for (let n = 0; step(course, n); n++) yield 'piece '.repeat(100)
  } finally {
    open--
  }
}

async function* slowPieces(course: Course): AsyncGenerator<string, void> {
  open++
  try {
    for (let n = 0; step(course, n); n++) {
      await pause()
      yield 'piece '
    }
  } finally {
    open--
  }
}

const contents: Record<string, (course: Course) => HandlerResult> = {
  'an iterable': (course) => [pieces(course), 200, { 'Content-Type': 'x/y' }],
  'an iterable, compressed': (course) => [pieces(course), 200, { 'Content-Type': 'text/html' }],
  'an async iterable': (course) => slowPieces(course),
  'an async iterable, compressed': (course) => [slowPieces(course), 200, { 'Content-Type': 'text/html' }],
  'a web stream': (course) => {
    open++
    let n = 0
    let closed = false
    const close = (): void => {
      if (!closed) open--
      closed = true
    }
    return new ReadableStream({
      async pull(controller) {
        await pause()
        if (closed) return
        try {
          if (step(course, n++)) return controller.enqueue('piece ')
          controller.close()
        } catch (error) {
          controller.error(error)
        }
        close()
      },
      cancel: close,
    })
  },
  'a Readable': (course) => {
    open++
    let n = 0
    const content = new Readable({
      read() {
        setTimeout(() => {
          try {
            this.push(step(course, n++) ? 'piece ' : null)
          } catch (error) {
            this.destroy(error as Error)
          }
        }, 2)
      },
    })
    return content.on('close', () => open--)
  },
  'a Blob': (course) => new Blob(Array.from({ length: course === 'lasts' ? 300 : 1 }, () => 'piece '.repeat(10_000))),
  'a writer': (course) => [function* (out) {
    for (const piece of pieces(course)) {
      yield* out.write(piece)
      yield* out.flush()
      yield* lev.sleep(0.002)
    }
  }],
  'a writer with tasks of its own': (course) => [function* (out) {
    lev.spawn(function* () {
      for (const piece of pieces(course)) {
        yield* lev.timeout(10, out.write(piece))
        yield* lev.sleep(0.002)
      }
    })
  }],
  'an event stream': (course) => eventStream(function* (events) {
    for (const data of pieces(course)) {
      yield* events.send({ data })
      yield* lev.sleep(0.002)
    }
  }, { heartbeat: 0.001 }),
}

/** Ways to read a body; what is read goes on with the client. */
const readings: Record<string, (body: RequestBody) => Op<unknown>> = {
  *read(body) { while ((yield* body.read()) !== null); },
  text: (body) => body.text(),
  form: (body) => body.form(),
  *parts(body) {
    const parts = body.parts()
    for (let part = yield* parts.next(); part !== null; part = yield* parts.next()) while ((yield* part.read()) !== null);
  },
}
const asyncReadings: Record<string, (body: RequestBody) => Promise<unknown>> = {
  async 'an async iteration'(body) { for await (const _piece of body); },
  async 'an async iteration over parts'(body) { for await (const part of body.parts()) for await (const _piece of part); },
}

const sockets: Record<string, (course: Course, ctx: Context) => HandlerResult> = {
  'a WebSocket': (course, ctx) => ctx.upgrade((ws) => converse(course, ws), { compression: true, ping_interval: 0.01 }),
  'a WebSocket with callbacks': (course, ctx) => ctx.upgrade(webSocketCallbacks({
    open: () => void open++,
    async message(ws, message) {
      await pause()
      ws.trySend(message)
      if (course === 'fails') throw new Error('broken')
      if (course === 'ends') ws.close()
    },
    drain: () => {},
    close: () => void open--,
  }), { compression: true }),
}

function* converse(course: Course, ws: WebSocket): Op<void> {
  open++
  try {
    for (let n = 1; ; n++) {
      const message = yield* ws.next()
      if (message === null) return
      yield* ws.send(message)
      if (!step(course, 3 * n)) return
    }
  } finally {
    open--
  }
}

/** One way into the server: its handler, what its client sends first, and what it sends to have it end. */
interface Entry {
  readonly config?: Config
  readonly response: (course: Course, ctx: Context) => ReturnType<Handler>
  readonly first: string | Buffer
  readonly rest?: string
}

const entries = new Map<string, Entry>()
const gzip = { 'Accept-Encoding': 'gzip' }
for (const [name, response] of Object.entries(contents)) entries.set(name, { response, first: request('GET /', gzip) })
for (const [name, response] of Object.entries(sockets)) {
  const first = Buffer.concat([Buffer.from(handshake({ 'Sec-WebSocket-Extensions': 'permessage-deflate' })), frame(opcodes.text, 'x'.repeat(5000))])
  entries.set(name, { response, first, rest: closeFrame(1000).toString('latin1') })
}
const boundary = { 'Content-Type': 'multipart/form-data; boundary=b' }
const form = `--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n${'x'.repeat(50_000)}\r\n--b--\r\n`
const packed = gzipSync(form).toString('latin1')
for (const [coding, body] of [['identity', form], ['gzip', packed]]) {
  const headers = { ...boundary, 'Content-Encoding': coding, 'Content-Length': String(body.length) }
  const upload = { first: request('POST /', headers) + body.slice(0, 40), rest: body.slice(40) }
  const config = { buffer_body: false, decode_body: coding === 'gzip' }
  for (const [name, read] of Object.entries(readings)) {
    entries.set(`${name}, ${coding}`, { config, ...upload, *response(course, { body: content }) {
      if (course === 'fails') yield* lev.timeout(0.01, read(content))
      yield* read(content)
      return 'read'
    } })
  }
  for (const [name, read] of Object.entries(asyncReadings)) {
    entries.set(`${name}, ${coding}`, { config, ...upload, async response(course, ctx) {
      if (course !== 'fails') return String(await read(ctx.body))
      read(ctx.body).catch(() => {})
      await pause()
      throw new Error('broken')
    } })
  }
}
entries.set('an async handler that looks at its signals', { first: request('GET /'), async response(course, ctx) {
  open++
  const { signal, draining } = ctx
  await new Promise((resolve) => {
    if (course !== 'lasts') return resolve(null)
    signal.addEventListener('abort', resolve)
    draining.addEventListener('abort', resolve)
  })
  open--
  if (course === 'fails') throw new Error('broken')
  return ctx.earlyHints({ Link: '</x>' }) ? 'x' : 'y'
} })

/** How it comes to an end. */
const endings: Record<string, { readonly course: Course; end(client: RawClient, entry: Entry, stop: (drain: number) => Promise<void>): unknown }> = {
  'a normal end': { course: 'ends', end: (client, { rest = '' }) => client.send(rest) },
  'an error of the handler': { course: 'fails', end: () => undefined },
  'the client resets': { course: 'lasts', end: (client) => client.reset() },
  'the client closes': { course: 'lasts', end: (client) => client.close() },
  'the client ends its sending': { course: 'lasts', end: (client) => client.end() },
  'the server stops, and waits': { course: 'lasts', end: (_client, _entry, stop) => stop(0.05) },
  'the server stops at once': { course: 'lasts', end: (_client, _entry, stop) => stop(0) },
}

const equal = (one: object, other: object): boolean => JSON.stringify(one) === JSON.stringify(other)

/** Waits until what is alive is what it was. */
async function same(t: Tap, before: object, what: string): Promise<void> {
  await eventually(() => equal(living(), before) && open === 0, what).catch(() => {})
  t.strictSame({ ...living(), open }, { ...before, open: 0 }, what)
}

type Tap = Pick<typeof t, 'strictSame' | 'ok'>

// What the first server makes, the process keeps: the one sink for stdout, which listens for the process's exit.
t.before(async () => {
  const server = create({ port: 0, logger: keptLog() }, () => '')
  const done = server.serve()
  await server.listening
  await server.stop()
  await done
  await eventually(() => living().listeners === 0, 'the first server is gone')
})

for (const [name, entry] of entries) {
  t.test(`nothing of ${name} is left, however it ends`, async (t) => {
    const nothing = living()
    for (const [ending, { course, end }] of Object.entries(endings)) {
      const server = create({ port: 0, logger: keptLog(), ...entry.config }, (_m, _q, _a, _h, _b, ctx) => entry.response(course, ctx))
      const done = server.serve()
      const { port } = await server.listening
      await eventually(() => living().tasks === serverTasks, 'the server waits')
      const idle = living()
      for (let round = 0; round < 2; round++) {
        const client = await RawClient.connect(port, entry.first)
        client.socket.resume()
        await new Promise((resolve) => setTimeout(resolve, 10))
        await end(client, entry, (drain) => server.stop({ drain }))
        if (course === 'ends') await (name in sockets ? client.over : client.responses(1))
        if (course !== 'lasts' || ending.startsWith('the server')) client.end()
        await client.over
        client.close()
        if (ending.startsWith('the server')) break
        await same(t, idle, `${ending}: the server is idle again`)
      }
      // Idle, it has no request to wait for.
      await server.stop({ drain: 60 })
      await done
      await same(t, nothing, `${ending}: the server is gone`)
    }
  })
}
