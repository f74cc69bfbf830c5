import net from 'node:net'
import tls from 'node:tls'
import t, { type Test } from 'tap'
import * as lev from '../../../lev/index.js'
import type { Stream } from '../../../lev/index.js'
import type * as server from '../../../lib/index.js'
import type { Context, Handler } from '../../../lib/index.js'
import { Certificates } from '../../tls/certificates.js'
import { eventually, gate, request, serve } from '../../support/serving.js'
import { RawClient } from '../../support/raw-client.js'

// A client that reads nothing ends its side while its response is being written, by FIN: over real sockets.

const certificates = new Certificates()
t.teardown(() => certificates.remove())
const identity = certificates.issue({ names: ['localhost'] })
const transports: [string, server.Config][] = [['plain', {}], ['TLS', { ssl: { default: { cert: identity.cert, key: identity.key } } }]]

/** Nothing but the FIN may end anything. */
const patient: server.Config = { send_timeout: 600, min_transfer_rate: 0 }

const piece = Buffer.alloc(64 * 1024, 'x')

/** Connects, sends `head`, and reads nothing. */
async function deafClient(t: Test, port: number, config: server.Config, head: string): Promise<RawClient> {
  const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true })
  const options = { socket, rejectUnauthorized: false, allowHalfOpen: true }
  const secured = config.ssl === undefined ? socket : tls.connect(options)
  await new Promise((resolve) => secured.once(config.ssl === undefined ? 'connect' : 'secureConnect', resolve))
  const client = new RawClient(secured)
  t.teardown(() => client.close())
  secured.pause()
  client.send(head)
  return client
}

/** Waits until nothing leaves any more. */
async function untilStuck(stream: () => Stream | undefined): Promise<void> {
  let looks = 0
  let before = -1
  await eventually(() => {
    const unsent = stream()?.unsent ?? 0
    looks = unsent > 0 && unsent === before ? looks + 1 : 0
    before = unsent
    return looks > 30
  }, 'the writer waits')
}

/** What a response is written by; each calls `ended` when it is ended. */
const writers: Record<string, (ctx: Context, ended: () => void) => ReturnType<Handler>> = {
  *'a handler that writes on the stream'(ctx, ended) {
    try {
      for (;;) yield* ctx.client.write(piece)
    } finally {
      ended()
    }
  },
  'content that writes': (_ctx, ended) => [function* (out) {
    try {
      for (;;) yield* out.write(piece)
    } finally {
      ended()
    }
  }],
  'content that flushes': (_ctx, ended) => [function* (out) {
    try {
      for (;;) {
        yield* out.write(piece)
        yield* out.flush()
      }
    } finally {
      ended()
    }
  }],
  'an iterable': (_ctx, ended) => [(function* () {
    try {
      for (;;) yield piece
    } finally {
      ended()
    }
  })()],
  'an async iterable, of an async handler': async (_ctx, ended) => [(async function* () {
    try {
      for (;;) yield piece
    } finally {
      ended()
    }
  })()],
  'content that is compressed': (_ctx, ended) => [function* (out) {
    try {
      for (;;) yield* out.write(Array.from({ length: 2000 }, () => Math.random()).join())
    } finally {
      ended()
    }
  }, 200, { 'Content-Type': 'text/plain' }],
}

for (const [transport, config] of transports) {
  // Together: each connection is kept for a while, for a client that reads.
  t.test(`${transport}: responses`, (t) => Promise.all(Object.entries(writers).map(async ([name, write]) => {
    const ended = gate()
    const aborted = gate()
    const contexts: Context[] = []
    const served = await serve(t, { ...patient, ...config }, (_method, _query, _args, _headers, _body, ctx) => {
      contexts.push(ctx)
      ctx.signal.addEventListener('abort', () => aborted.open())
      return write(ctx, ended.open)
    })
    const client = await deafClient(t, served.port, config, request('GET /', { 'Accept-Encoding': 'gzip' }))
    await untilStuck(() => contexts[0]?.client)
    t.equal(contexts[0].signal.aborted, false, name)
    client.end()
    await aborted.opened
    await ended.opened
    // The connection ends, too, though what is unsent is not read.
    await served.server.stop({ drain: 600 })
    t.strictSame(served.log.statuses(), [499], name)
    t.equal(served.log.of('error').length, 0, name)
  })))

  t.test(`${transport}: a client that reads, slowly, what was sent before it left gets all of it`, async (t) => {
    const served = await serve(t, { ...patient, ...config }, function* (_method, query) {
      if (query === '/large') return Buffer.alloc(3_000_000, 'x')
      yield* lev.sleep(600)
      return 'not reached'
    })
    const client = await deafClient(t, served.port, config, request('GET /large') + request('GET /slow'))
    await eventually(() => served.log.statuses().length > 0, 'the first is answered')
    client.end()
    await eventually(() => served.log.statuses().length > 1, 'the second is cancelled')
    client.socket.resume()
    const [response] = await client.all()
    t.equal(response.body.length, 3_000_000)
    t.strictSame(served.log.statuses(), [200, 499])
  })
}

const upgrade = {
  'Connection': 'Upgrade', 'Upgrade': 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
}
const closeFrame = Buffer.from([0x88, 0x80, 0, 0, 0, 0])
const message = Buffer.concat([Buffer.from([0x82, 0xfe, 16384 >> 8, 0, 0, 0, 0, 0]), Buffer.alloc(16384)])

/** What waits until the client takes something; each ends when it is told that the client is gone. */
const senders: Record<string, (ws: server.WebSocket) => lev.Op<unknown>> = {
  *'a task that sends'(ws) {
    for (;;) yield* ws.send(piece)
  },
  *'several tasks that send'(ws) {
    for (let count = 0; count < 10; count++) lev.spawn(function* () {
      for (;;) yield* ws.send(piece)
    })
    for (;;) yield* ws.send(piece)
  },
  *'a task that sends behind one long message'(ws) {
    for (;;) yield* ws.send(Buffer.alloc(8 * 1024 * 1024))
  },
  *'a task that waits until the queue has drained'(ws) {
    for (;;) {
      while (ws.trySend(piece) > 0);
      yield* ws.drained()
    }
  },
}

/** How the client leaves. */
const leavings: [string, number | null, (client: RawClient) => void][] = [
  ['FIN', 1006, (client) => client.end()],
  ['a close', 1005, (client) => client.send(closeFrame)],
  ['a close, and FIN', 1005, (client) => {
    client.send(closeFrame)
    client.end()
  }],
  ['FIN behind messages that are not taken', 1006, (client) => {
    for (let count = 0; count < 5; count++) client.send(message)
    client.end()
  }],
]

for (const [transport, config] of transports) {
  for (const [leaving, code, leave] of leavings) {
    for (const [name, send] of Object.entries(senders)) {
      // Who only waits for the queue learns of nothing that stands behind unread messages.
      if (leaving.endsWith('are not taken') && name.endsWith('drained')) continue
      t.test(`${transport}: ${leaving}, a WebSocket with ${name}`, async (t) => {
        for (const close_timeout of [600, 0.05]) {
          const ended = gate()
          const aborted = gate()
          const contexts: Context[] = []
          let closed: number | null = null
          const served = await serve(t, { ...patient, ...config }, (_method, _query, _args, _headers, _body, ctx) => {
            contexts.push(ctx)
            ctx.signal.addEventListener('abort', () => aborted.open())
            return ctx.upgrade(function* (ws) {
              try {
                yield* send(ws)
              } finally {
                closed = ws.closeCode
                ended.open()
              }
            }, { close_timeout })
          })
          const client = await deafClient(t, served.port, config, request('GET /', upgrade))
          await untilStuck(() => contexts[0]?.client)
          t.equal(contexts[0].signal.aborted, false)
          leave(client)
          // Both at once, however much time there is to close.
          await aborted.opened
          await ended.opened
          t.equal(closed, code)
          if (close_timeout > 1) client.close()
          // The end within that time, though what is unsent is not read.
          await served.server.stop({ drain: 600 })
          t.equal(served.log.of('error').length, 0)
        }
      })
    }
  }
}
