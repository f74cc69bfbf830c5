import t from 'tap'
import type { Handler, HandlerResult } from '../../../lib/index.js'
import { readResponses } from '../../support/responses.js'
import { randomFrom, seed, type Random } from '../../support/seed.js'
import { request } from '../../support/serving.js'
import { virtually, type World } from '../../support/virtual.js'

const names = [
  'X-A', 'x-b', 'Set-Cookie', 'Content-Length', 'content-length', 'Transfer-Encoding', 'transfer-encoding',
  'Connection', 'Vary',
  'ETag', 'Content-Type', 'Content-Encoding', 'Cache-Control', 'Content-Range', 'Keep-Alive', 'Trailer', 'X A', 'X:',
  '', 'X\r\nY',
  '__proto__', 'constructor', 'Upgrade', 'X\u00e4', '0',
]

const texts = [
  '', 'plain', 'a, b', 'close', 'keep-alive', 'Close, x', 'upgrade', '5', '0', '-1', '1e3', 'chunked', 'gzip', '"tag"',
  'W/"tag"', '*',
  'text/html', 'text/html; charset=utf-8', 'no-transform', 'bytes 0-1/2', 'a\r\nInjected: 1', 'a\n\nHTTP/1.1 200 OK',
  '\0', '\r', ' padded ',
  'caf\u00e9', '\u010a', '\ud83e\uddc0', '\ud800', '\x7f', '\t',
]

function header(random: Random): unknown {
  const pick = random.below(12)
  if (pick < 7) return random.pick(texts)
  if (pick === 7) return random.pick([0, 5, -1, 1.5, NaN, Infinity, 1e21])
  if (pick === 8) return Array.from({ length: random.below(4) }, () => random.pick(texts))
  if (pick === 9) return random.pick([null, undefined])
  return random.pick([true, {}, [['x']], 10n, [null]])
}

function headers(random: Random): unknown {
  if (random() < 0.05) return random.pick([null, 'X-A: b', 5, [], [['X-A', 'b']], new Map([['X-A', 'b']])])
  const result: Record<string, unknown> = {}
  for (let count = random.below(4); count > 0; count--) {
    const name = random.pick(names)
    const value = header(random)
    // Several values are several lines: for these, that is the handler's own nonsense.
    const one: unknown = Array.isArray(value) && /^(etag|content-(type|encoding))$/i.test(name) ? value[0] : value
    Object.defineProperty(result, name, { value: one, enumerable: true, configurable: true, writable: true })
  }
  return result
}

function content(random: Random): unknown {
  const pick = random.below(10)
  if (pick < 4) return random.pick(texts).repeat(random.pick([1, 1, 10, 3000]))
  if (pick < 6) return Buffer.from(random.pick(texts).repeat(random.pick([1, 100])))
  if (pick < 8) return random.pick([null, undefined, ''])
  return random.pick([5, true, {}, [], Symbol('x'), 10n, new Uint16Array(3)])
}

/** Something that a handler returns, by the rules or not; never undefined as a whole. */
function anyResponse(random: Random): HandlerResult {
  const status = random.pick(
    [200, 200, 200, 204, 205, 206, 304, 404, 500, 599, 199, 100, 600, 0, -1, NaN, '200', undefined, null],
  )
  const parts = random.pick([
    () => content(random),
    () => [content(random)],
    () => [content(random), status],
    () => [content(random), status, headers(random)],
    () => [content(random), status, headers(random)],
    () => [content(random), status, headers(random), 'more'],
  ])()
  const nothing = Array.isArray(parts) ? parts.slice(0, 3).every((part) => part === undefined) : parts === undefined
  return (nothing ? 'something' : parts) as HandlerResult
}

const asking = [
  request('GET /x'), request('HEAD /x'), request('GET /x', { 'Accept-Encoding': 'gzip' }),
  request('POST /x', {}, 'body'),
  request('GET /x HTTP/1.0'), request('GET /x HTTP/1.0', { Connection: 'keep-alive' }), request('OPTIONS *'),
  request('HEAD /x', { 'Accept-Encoding': 'deflate' }), request('GET /x', { Connection: 'close' }),
]

t.test('whatever a handler returns: one well-formed response, framed by the server alone', async (t) => {
  const random = randomFrom(seed)
  let last: unknown
  const handle: Handler = (_method, query) => {
    if (query === '/next') return 'next'
    const response = anyResponse(random)
    last = response
    return response
  }
  let refused = 0
  let sent = 0
  await virtually({ compression: { min_size: 20 } }, handle, function* ({ connect, log }: World) {
    for (let round = 0; round < 3000; round++) {
      const text = random.pick(asking)
      const client = yield* connect(text + request('GET /next', { Connection: 'close' }))
      while (yield* client.more());
      const { responses, fault } = readResponses(client.received, [text.split(' ', 1)[0]], true)
      const how = (): string =>
        `seed ${seed}, round ${round}: ${String(fault)}: ${show(last)} gave ${JSON.stringify(client.text.slice(0, 400))}`
      const closed = responses.length === 1 && /\r\nConnection: [^\r]*close/.test(client.text)
      const whole = fault === null && (closed || (responses.length === 2 && responses[1].body.toString() === 'next'))
      const injected = responses.some(({ fields }) => fields.some(([name]) => name === 'injected'))
      if (!whole || injected) t.fail(how())
      if (responses[0]?.status === 500) refused++
      else sent++
      client.stream.close()
    }
    const handlers = ['the handler\'s response cannot be sent', 'the handler failed']
    const faults = log.of('error').filter(({ message }) => !handlers.includes(String(message)))
    t.strictSame(faults, [], 'no fault of the server\'s own')
  })
  t.ok(refused > 300 && sent > 300, `${sent} were sent, ${refused} could not be`)
})

function show(value: unknown): string {
  return JSON.stringify(
    value, (_key, part: unknown) => (typeof part === 'bigint' || typeof part === 'symbol' ? String(part) : part),
  )
}
