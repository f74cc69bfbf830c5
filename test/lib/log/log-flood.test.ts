import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { pino } from 'pino'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import { webSocketCallbacks, type Handler, type WebSocketHandler } from '../../../lib/index.js'
import { RawClient } from '../../support/raw-client.js'
import { eventually, gate, request, serve } from '../../support/serving.js'
import { closeFrame, frame, handshake, opcodes } from '../websocket/wire.js'

// What hostile clients can have written to the log.

const chunked = (body: string): string => request('POST /', { 'Transfer-Encoding': 'chunked' }) + body

/** Bodies that are rejected when some of them has been read. */
const bodies: Record<string, string> = {
  'a malformed chunk': chunked('5\r\nhello\r\nx\r\n'),
  'a chunk over the limit': chunked('5\r\nhello\r\nfffff\r\n'),
  'a forbidden trailer': chunked('5\r\nhello\r\n0\r\nContent-Length: 1\r\n\r\n'),
  'an end within chunks': chunked('5\r\nhello\r\n'),
  'an end within a length': `${request('POST /', { 'Content-Length': '100' })}hello`,
}

const handlers: Record<string, Handler> = {
  'that takes no body': () => 'x',
  *'a coroutine'(_m, _q, _a, _h, _b, ctx) { return yield* ctx.body.bytes() },
  async 'an async function'(_m, _q, _a, _h, _b, ctx) { return await ctx.body.bytes() },
  'a writer that has begun its response': (_m, _q, _a, _h, _b, ctx) => [function* (out) {
    yield* out.write('begun')
    yield* out.flush()
    for (let piece = yield* ctx.body.read(); piece !== null; piece = yield* ctx.body.read()) yield* out.write(piece)
  }],
  'an async iterable that has begun': (_m, _q, _a, _h, _b, ctx) => [(async function* () {
    yield 'begun'
    for await (const piece of ctx.body) yield piece
  })()],
  'the body as the content': (_m, _q, _a, _h, _b, ctx) => [ctx.body as AsyncIterable<Uint8Array>],
  *'a response written on the connection'(_m, _q, _a, _h, _b, ctx) {
    yield* ctx.client.write(`HTTP/1.1 200 OK\r\nDate: ${new Date(0).toUTCString()}\r\nContent-Length: 2\r\n\r\n`)
    yield* ctx.body.bytes()
    return undefined
  },
  async 'a detached task'(_m, _q, _a, _h, _b, ctx) {
    const { opened, open } = gate()
    ctx.detach(function* () {
      try {
        yield* ctx.body.bytes()
      } finally {
        open()
      }
    })
    await opened
    return 'x'
  },
}

t.test('a rejected body costs one access line, and nothing graver, however far the response is', async (t) => {
  for (const [name, handle] of Object.entries(handlers)) {
    const { connect, log, server } = await serve(t, { buffer_body: name === 'that takes no body', max_body_size: 1000 }, handle)
    for (const text of Object.values(bodies)) {
      const client = await connect(text)
      client.end()
      await client.over
      client.close()
    }
    await server.stop()
    const lines = log.entries.filter(({ level }) => level !== 'debug' && level !== 'info').map(({ level }) => level)
    t.strictSame(lines, Object.keys(bodies).map(() => 'access'), name)
  }
})

const sockets: Record<string, Buffer> = {
  'a frame without a mask': frame(opcodes.text, 'x', { mask: null }),
  'a reserved bit': frame(opcodes.text, 'x', { rsv: 1 }),
  'text that is not UTF-8': frame(opcodes.text, Buffer.from([0xff])),
  'a message over the limit': frame(opcodes.text, 'x'.repeat(2000)),
  'a long ping': frame(opcodes.ping, 'x'.repeat(200)),
  'deflated text that is none': frame(opcodes.text, 'hello', { rsv: 4 }),
  'an end within a frame': frame(opcodes.text, 'x'.repeat(100)).subarray(0, 50),
}

const conversations: Record<string, WebSocketHandler> = {
  *'a coroutine'(ws) {
    for (let message = yield* ws.next(); message !== null; message = yield* ws.next()) yield* ws.send(message)
  },
  callbacks: webSocketCallbacks({ message: (ws, message) => void ws.trySend(message) }),
  *'a coroutine that only sends'(ws) {
    for (;;) {
      yield* ws.send('x'.repeat(1000))
      yield* lev.sleep(0.001)
    }
  },
}

for (const [name, converse] of Object.entries(conversations)) {
  t.test(`a WebSocket that is failed for what its client sends: likewise; ${name}`, async (t) => {
    const { connect, log, server } = await serve(t, {}, (_m, _q, _a, _h, _b, ctx) => ctx.upgrade(converse, { max_message_size: 1000, close_timeout: 0.1, compression: true }))
    for (const bytes of Object.values(sockets)) {
      const client = await connect(Buffer.concat([Buffer.from(handshake({ 'Sec-WebSocket-Extensions': 'permessage-deflate' })), bytes]))
      client.end()
      await client.over
      client.close()
    }
    await server.stop()
    const lines = log.entries.filter(({ level }) => level !== 'debug' && level !== 'info')
    t.strictSame(lines.map(({ level, message }) => `${level} ${message}`), Object.keys(sockets).map(() => 'access '))
  })
}

t.test('the reason of a close reaches a logger without what could forge a line', async (t) => {
  const { connect, log, server } = await serve(t, {}, (_m, _q, _a, _h, _b, ctx) => ctx.upgrade(webSocketCallbacks({ message: () => {} })))
  const client = await connect(Buffer.concat([Buffer.from(handshake()), closeFrame(4000, 'x\n\u2028error')]))
  await client.over
  client.close()
  await server.stop()
  t.match(log.of('debug'), [{ code: 4000, reason: 'x\\u000a\\u2028error' }])
})

t.test('bytes of the log stay within a small multiple of the bytes received', async (t) => {
  let written = 0
  const logger = pino({ base: null }, { write: (line: string) => void (written += Buffer.byteLength(line)) })
  const { connect, server } = await serve(t, { logger, connection_limit: 1000 }, () => 'x')
  const value = (character: string): string => character.repeat(8000)
  const floods: Record<string, string> = {
    'nothing but a fault': 'x\r\n',
    'an empty request line': ' \r\n',
    'characters that are escaped': request('GET /', { 'User-Agent': value('\x80'), Referer: value('"'), 'X-Forwarded-For': value('\\') }),
    'tabs': request('GET /', { 'User-Agent': 'a\t'.repeat(4000) }),
    'a long path': request(`GET /${'%22'.repeat(2600)}`),
    'a long host': request('GET /', { Host: 'a'.repeat(8000) }),
    'pipelined': request('GET /').repeat(500),
    'pipelined, without any field that could be left out': 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n'.repeat(500),
    'a fault behind a pipeline': request('GET /').repeat(100) + 'x\r\n',
  }
  for (const [what, text] of Object.entries(floods)) {
    written = 0
    const client = await connect(text)
    client.end()
    await client.over
    client.close()
    await eventually(() => written > 0, 'a line')
    // A connection costs its client three packets with a head of 40 bytes, or more.
    const received = text.length + 120
    t.ok(written < 10 * received, `${what}: ${received} bytes received, ${written} logged`)
  }
  await server.stop()
})

/** A server whose log goes to a stdout that is not read until the test does so; `prelude` runs before. */
const program = (prelude: string): string => `
  import { writeSync } from 'node:fs'
  import { isMainThread, Worker } from 'node:worker_threads'
  const server = await import(${JSON.stringify(new URL('../../../lib/index.js', import.meta.url).href)})
  ${prelude}
  const service = server.new({ port: 0, requests_per_connection: 1e6 }, (_method, query) => {
    if (query === '/stop') setImmediate(() => service.stop())
    return 'x'
  })
  const done = service.serve()
  writeSync(2, (await service.listening).port + '\\n')
  await done
`

const stdouts: Record<string, string> = {
  'stdout as it is': '',
  'a stdout whose write is replaced': 'const { write } = process.stdout; process.stdout.write = (...given) => write.apply(process.stdout, given)',
  'the stdout of a worker': '',
}

for (const [what, prelude] of Object.entries(stdouts)) {
  t.test(`${what}, which is not read: a flood of requests is served, and a bounded part of its lines is kept`, async (t) => {
    const source = program(prelude)
    const main = what.includes('worker')
      ? `import { Worker } from 'node:worker_threads'
         new Worker(new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(source)})))`
      : source
    const child = spawn(process.execPath, ['--input-type=module', '-e', main], { stdio: ['ignore', 'pipe', 'pipe'] })
    t.teardown(() => void child.kill('SIGKILL'))
    child.stdout.pause()
    const [port] = await once(child.stderr, 'data') as [Buffer]
    const client = await RawClient.connect(Number(port))
    const count = 3000
    for (let sent = 0; sent < count; sent += 100) {
      client.send(request(`GET /${'x'.repeat(2000)}`).repeat(100))
      await client.responses(sent + 100)
    }
    client.send(request('GET /stop'))
    await client.responses(count + 1)
    client.close()
    let output = ''
    for await (const piece of child.stdout.setEncoding('utf8')) output += String(piece)
    const lines = output.split('\n').slice(0, -1).map((line) => JSON.parse(line) as { status?: number; msg?: string })
    const kept = lines.filter(({ status }) => status === 200).length
    const lost = lines.map(({ msg = '' }) => Number(/^(\d+) log lines were lost/.exec(msg)?.[1] ?? 0)).reduce((sum, n) => sum + n, 0)
    t.equal(kept + lost, count + 1, `${kept} were kept, ${lost} were lost and counted`)
    // A pipe holds 64 KiB, a batch likewise.
    t.ok(output.length < 1.5 * 1024 * 1024, `${output.length} bytes waited`)
  })
}
