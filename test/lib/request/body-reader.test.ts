import { gzipSync } from 'node:zlib'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type * as server from '../../../lib/index.js'
import { request } from '../../support/serving.js'
import { virtually } from '../../support/virtual.js'

/** The ways to settle the same for a body: known beforehand, which has a fast path, asked for, and read by the handler. */
const choices: Record<string, server.Config> = {
  known: { max_body_size: 64 },
  'asked for': { max_body_size: () => 64, buffer_body: () => true },
  'read by the handler': { max_body_size: 64, buffer_body: false },
}

const chunked = { 'Transfer-Encoding': 'chunked' }

const requests: Record<string, string> = {
  sized: request('POST /', {}, 'twelve bytes'),
  'of one byte': request('POST /', {}, '1'),
  'as large as may be': request('POST /', {}, 'x'.repeat(64)),
  'too large': request('POST /', {}, 'x'.repeat(65)),
  'in chunks': request('POST /', chunked, '6\r\ntwelve\r\n6\r\n bytes\r\n0\r\n\r\n'),
  'in one chunk': request('POST /', chunked, 'c\r\ntwelve bytes\r\n0\r\n\r\n'),
  'in no chunk': request('POST /', chunked, '0\r\n\r\n'),
  'in chunks that are too large': request('POST /', chunked, '21\r\n' + 'x'.repeat(33) + '\r\n20\r\n' + 'x'.repeat(32) + '\r\n0\r\n\r\n'),
  'in a malformed chunk': request('POST /', chunked, 'zz\r\n'),
  'with trailers': request('POST /', chunked, '1\r\nx\r\n0\r\nX-T: 1\r\n\r\n'),
  'expecting 100': request('POST /', { Expect: '100-continue' }, 'twelve bytes'),
}

const mirror: server.Handler = function* (_method, _query, _args, _headers, body, ctx) {
  const text = body === null ? yield* ctx.body.text() : body.toString('latin1')
  return JSON.stringify([text, ctx.body.trailers])
}

/** What the client gets, without the Date lines; `cuts` are the places at which the request is cut, with a pause at each. */
async function outcome(config: server.Config, text: string, cuts: readonly number[]): Promise<string> {
  return await virtually({ requests_per_connection: 2, ...config }, mirror, function* ({ connect }) {
    const client = yield* connect()
    let from = 0
    for (const to of [...cuts, text.length]) {
      if (from > 0) yield* lev.sleep(0.01)
      client.send(text.slice(from, to))
      from = to
    }
    client.send(request('GET /next', { Connection: 'close' }))
    while (yield* client.more());
    return client.text.replace(/^Date: .*\r\n/gm, '')
  })
}

t.test('however a body is read, and however it arrives, the response is the same', async (t) => {
  for (const [what, text] of Object.entries(requests)) {
    const head = text.indexOf('\r\n\r\n') + 4
    const all = Array.from({ length: text.length - 1 }, (_, k) => k + 1)
    const expected = await outcome(choices.known, text, [])
    for (const [how, config] of Object.entries(choices)) {
      for (const cuts of [[], [head + 1], all.filter((place) => place > head)]) {
        t.equal(await outcome(config, text, cuts), expected, `${what}, ${how}, ${cuts.length} cuts`)
      }
      // A client that waits after the head is told to go on, if it asked; once, however its content arrives after that.
      const waits = await outcome(config, text, all.filter((place) => place >= head))
      const told = what === 'expecting 100' ? 'HTTP/1.1 100 Continue\r\n\r\n' : ''
      t.equal(waits, told + expected, `${what}, ${how}, after a wait`)
    }
  }
})

t.test('one rule for the deadline: request_body_timeout, and the time of the bytes so far at min_transfer_rate', async (t) => {
  const texts = {
    sized: [request('POST /', { 'Content-Length': '64' }), 'x'.repeat(20), 'x'.repeat(20)],
    chunked: [request('POST /', chunked), '14\r\n' + 'x'.repeat(20) + '\r\n', '14\r\n' + 'x'.repeat(20) + '\r\n'],
  }
  for (const [how, config] of Object.entries(choices)) {
    for (const [framing, parts] of Object.entries(texts)) {
      const [seconds, text] = await virtually({ ...config, request_body_timeout: 5, min_transfer_rate: 10 }, mirror, function* ({ connect }) {
        const client = yield* connect()
        const began = lev.now()
        for (const part of parts) {
          client.send(part)
          yield* lev.sleep(1)
        }
        while (yield* client.more());
        return [lev.now() - began, client.text] as const
      })
      t.match(text, /^HTTP\/1\.1 408 /, `${how}, ${framing}`)
      // 5 s, and 40 bytes at 10 bytes a second.
      t.ok(seconds >= 9 && seconds < 9.2, `${how}, ${framing}: ${seconds}`)
    }
  }
})

t.test('a client that neither sends the rest of a body nor reads the response: cut, and no fault of the handler', async (t) => {
  const config = { buffer_body: false, send_timeout: 1, min_transfer_rate: 0 }
  const log = await virtually(config, () => 'x'.repeat(60_000), function* ({ connect, log }) {
    // More than the network holds, and less than the server waits for.
    const client = yield* connect(request('GET /').repeat(3))
    client.send(request('POST /', { 'Content-Length': '10' }))
    yield* lev.sleep(60)
    client.stream.close()
    return log
  })
  t.strictSame(log.of('error'), [])
  t.strictSame(log.statuses(), [200, 200, 200, 200])
})

t.test('no content has no piece, however it was sent', async (t) => {
  const empty = gzipSync('').toString('latin1')
  const given = [request('POST /', { 'Content-Encoding': 'gzip' }, empty), request('POST /', chunked, '0\r\n\r\n'), request('GET /')]
  const first: server.Handler = function* (_method, _query, _args, _headers, _body, ctx) {
    return JSON.stringify(yield* ctx.body.read())
  }
  for (const buffer_body of [true, false]) {
    const bodies = await virtually({ buffer_body, decode_body: true }, first, function* ({ connect }) {
      const client = yield* connect(given.join(''))
      return (yield* client.responses(3)).map(({ body }) => body.toString())
    })
    t.strictSame(bodies, ['null', 'null', 'null'], `buffer_body: ${buffer_body}`)
  }
})
