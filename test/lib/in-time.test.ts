import t, { type Test } from 'tap'
import type { Config, Handler } from '../../lib/index.js'
import { RawClient } from '../support/raw-client.js'
import { request, serve, type Served } from '../support/serving.js'
import { Certificates } from '../tls/certificates.js'
import { frame, frames, handshake, opcodes } from './websocket/wire.js'

// What has arrived before a deadline counts, also when the process computes across that deadline and looks at its sockets
// only afterwards. Here the test itself computes: it sends, and then holds the process until the deadline has passed.

const made = new Certificates()
t.teardown(() => made.remove())
const ssl: Config['ssl'] = { default: made.issue({ names: ['localhost'] }) }

interface Case {
  readonly name: string
  readonly config: (seconds: number) => Config
  /** Brings a connection to where the server waits for more. */
  readonly begin: (client: RawClient, served: Served) => Promise<unknown>
  /** Seconds from the beginning of the connection until the deadline has passed, at the least. */
  readonly deadline: (seconds: number) => number
  readonly last: string | Buffer
  readonly expected: (client: RawClient) => Promise<unknown>
}

const handle: Handler = function* (_method, query, _args, _headers, body, ctx) {
  if (query === '/read') return (yield* ctx.body.bytes()).toString()
  if (query === '/ws') {
    return ctx.upgrade(function* (ws) {
      for (let message = yield* ws.next(); message !== null; message = yield* ws.next()) yield* ws.send(message)
    }, { ping_interval: Number(ctx.cfg.keepalive_idle_timeout), pong_timeout: Number(ctx.cfg.keepalive_idle_timeout) })
  }
  return String(body)
}

const whole = request('GET /')
const partial = (path: string, framing: string) => `POST ${path} HTTP/1.1\r\nHost: test\r\n${framing}\r\n\r\n`

/** Waits until the server has read what was sent to it: it responds on another connection, and then has had time. */
async function settled(served: Served): Promise<void> {
  for (let count = 0; count < 3; count++) await served.ask(whole)
}

const status = (count: number) => async (client: RawClient) => (await client.responses(count)).at(-1)?.status
const sized = 'Content-Length: 4'
const chunked = 'Transfer-Encoding: chunked'

const cases: readonly Case[] = [
  {
    name: 'the next request of an idle connection',
    config: (seconds) => ({ keepalive_idle_timeout: seconds }),
    begin: async (client) => {
      client.send(whole)
      await client.responses(1)
    },
    deadline: (seconds) => seconds,
    last: whole,
    expected: status(2),
  },
  {
    name: 'the next request of a connection that was parked',
    config: (seconds) => ({ keepalive_idle_timeout: 1.2 + seconds }),
    begin: async (client) => {
      client.send(whole)
      await client.responses(1)
      await new Promise((resolve) => setTimeout(resolve, 1200))
    },
    deadline: (seconds) => 1.2 + seconds,
    last: whole,
    expected: status(2),
  },
  {
    name: 'a request on its way when the server stops',
    config: () => ({}),
    begin: async (client, { server }) => {
      client.send(whole)
      await client.responses(1)
      void server.stop({ drain: 60 })
      // The server hears of it first.
      for (let count = 0; count < 3; count++) await new Promise((resolve) => setImmediate(resolve))
    },
    deadline: () => 0.25,
    last: whole,
    expected: status(2),
  },
  {
    name: 'the first request of a connection',
    config: (seconds) => ({ request_header_timeout: seconds }),
    begin: (_client, served) => settled(served),
    deadline: (seconds) => seconds,
    last: whole,
    expected: status(1),
  },
  {
    name: 'the rest of a head',
    config: (seconds) => ({ request_header_timeout: seconds }),
    begin: async (client, served) => {
      client.send(whole.slice(0, 10))
      await settled(served)
    },
    deadline: (seconds) => seconds,
    last: whole.slice(10),
    expected: status(1),
  },
  ...[['/', sized], ['/', chunked], ['/read', sized], ['/read', chunked]].map(([path, framing]): Case => ({
    name: `the rest of a body, ${path === '/' ? 'buffered' : 'streamed'}, ${framing}`,
    config: (seconds) => ({ request_body_timeout: seconds, min_transfer_rate: 0, buffer_body: (_method, query) => query === '/' }),
    begin: async (client, served) => {
      client.send(partial(path, framing))
      await settled(served)
    },
    deadline: (seconds) => seconds,
    last: framing === sized ? 'body' : '4\r\nbody\r\n0\r\n\r\n',
    expected: status(1),
  })),
  {
    name: 'the response to a ping of a WebSocket',
    config: (seconds) => ({ keepalive_idle_timeout: seconds }),
    begin: async (client) => {
      client.send(handshake({}, 'GET /ws HTTP/1.1'))
      await client.until(() => seen(client, opcodes.ping), 'a ping')
    },
    deadline: (seconds) => 2 * seconds,
    last: Buffer.concat([frame(opcodes.pong), frame(opcodes.text, 'still here')]),
    expected: async (client) => await client.until(() => seen(client, opcodes.text), 'the echo') === undefined ? 0 : 200,
  },
]

/** The first frame with `opcode` behind the handshake's response. */
function seen(client: RawClient, opcode: number): true | undefined {
  const start = client.text.indexOf('\r\n\r\n')
  if (start < 0) return undefined
  return frames(client.received.subarray(start + 4)).frames.some((one) => one.opcode === opcode) || undefined
}

/** Lets nothing else happen until `time`. */
function hold(time: number): void {
  while (performance.now() < time);
}

/** What comes of one try; undefined: the machine was too slow, so that it says nothing. */
async function tried(t: Test, secure: boolean, one: Case, seconds: number): Promise<unknown> {
  const served = await serve(t, { ...one.config(seconds), ...(secure ? { ssl } : {}) }, handle)
  const deadline = one.deadline(seconds) * 1000
  const began = performance.now()
  const client = secure ? await RawClient.overTls(served.port) : await served.connect()
  try {
    await one.begin(client, served)
    if (performance.now() > began + deadline - 50) return undefined
    client.send(one.last)
    hold(performance.now() + deadline + 50)
    return await one.expected(client)
  } finally {
    client.close()
  }
}

for (const secure of [false, true]) {
  for (const one of cases) {
    t.test(`${secure ? 'HTTPS' : 'HTTP'}: ${one.name}`, async (t) => {
      let given: unknown
      for (let seconds = 0.3; given === undefined && seconds < 20; seconds *= 3) given = await tried(t, secure, one, seconds)
      t.equal(given, 200)
    })
  }
}
