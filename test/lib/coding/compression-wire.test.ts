import { randomBytes } from 'node:crypto'
import { brotliCompressSync, gunzipSync } from 'node:zlib'
import t from 'tap'
import { codingNamed, decodableCodings } from '../../../lib/coding/codings.js'
import { zstd } from '../../../lib/coding/node-zstd.js'
import type { Handler, HandlerResult } from '../../../lib/index.js'
import { curl } from '../../support/curl.js'
import { valueOf, type WireResponse } from '../../support/responses.js'
import { request, serve } from '../../support/serving.js'

/** The first choice of the server. */
const best = zstd === null ? 'gzip' : 'zstd'

const text = 'All work and no play makes Jack a dull boy. '.repeat(200)

/** Responds from a table, by path. */
function table(responses: Readonly<Record<string, HandlerResult>>): Handler {
  return (_method, query) => responses[query.slice(1)]
}

/** The content as it was before it was encoded. */
function decoded(response: WireResponse): string {
  const { body } = response
  const coding = codingNamed(decodableCodings, valueOf(response, 'content-encoding') ?? '')
  return String(coding === undefined ? body : coding.formatOf(body[0]).sync(body, {}))
}

t.test('curl --compressed gets what was meant', async (t) => {
  const large = text.repeat(100)
  // A curl that was built without them does not decode them.
  const { text: about } = await curl(['--version'])
  const curlCodings = [['br', /brotli/], ['zstd', /zstd/]].filter(([, built]) => about.match(built) !== null)
    .map(([name]) => ['-H', `Accept-Encoding: ${String(name)}`, '--compressed'])
  const { port, log } = await serve(t, {}, table({ small: 'small', text, large, utf8: 'käse → 🧀'.repeat(2000) }))
  const url = `http://127.0.0.1:${port}`
  const contents = [['small', 'small'], ['text', text], ['large', large], ['utf8', 'käse → 🧀'.repeat(2000)]]
  for (const [path, expected] of contents) {
    for (const accept of [['--compressed'], ['-H', 'Accept-Encoding: deflate', '--compressed'], [], ...curlCodings]) {
      const { text: got, code, stderr } = await curl([...accept, `${url}/${path}`])
      t.equal(code, 0, stderr)
      t.ok(got === expected, `${path} ${accept.join(' ')}`)
    }
  }
  const sizes = log.of('access').filter(({ query }) => query === '/large').map(({ size }) => Number(size))
  t.ok(sizes[0] < large.length / 10, 'the log tells the bytes that were sent')
  t.equal(sizes[2], large.length)
})

t.test('which coding, by Accept-Encoding', async (t) => {
  const { ask } = await serve(t, {}, table({ text }))
  const cases: [accept: string | null, encoding: string | undefined][] = [
    [null, undefined], ['', undefined], ['gzip', 'gzip'], ['GZIP', 'gzip'], ['x-gzip', 'gzip'], ['deflate', 'deflate'],
    ['gzip, deflate, br', 'gzip'], ['deflate, gzip', 'gzip'], ['gzip;q=0.5, deflate;q=0.8', 'deflate'],
    ['gzip;q=0, deflate', 'deflate'], ['gzip;q=0', undefined], ['br', 'br'], ['BR', 'br'], ['*', best], ['*;q=0', undefined],
    ['gzip;q=0, *', zstd === null ? 'br' : 'zstd'], ['gzip, deflate, br, zstd', best], ['zstd', zstd === null ? undefined : 'zstd'],
    ['br;q=1.0, gzip;q=0.8, *;q=0.1', 'br'], ['zstd;q=0, br', 'br'], ['compress', undefined], ['identity;q=0', undefined], ['*;q=0, gzip', 'gzip'], ['identity', undefined], ['identity;q=1, gzip;q=0.5', undefined],
    ['gzip;q=0.001', 'gzip'],
    ['identity;q=0, gzip', 'gzip'], ['gzip;q=2', undefined], ['gzip;q=x', undefined],
  ]
  for (const [accept, encoding] of cases) {
    const response = await ask(request('GET /text', accept === null ? {} : { 'Accept-Encoding': accept }))
    t.equal(valueOf(response, 'content-encoding'), encoding, `Accept-Encoding: ${accept ?? 'absent'}`)
    t.equal(valueOf(response, 'vary'), 'Accept-Encoding', 'for every client, it varies')
    t.equal(decoded(response), text)
  }
})

t.test('what is compressed and what is left alone', async (t) => {
  const typed = (type: string, more: Record<string, string> = {}): HandlerResult =>
    [text, 200, { 'Content-Type': type, ...more }]
  const responses: Record<string, [encoded: boolean, response: HandlerResult]> = {
    html: [true, typed('text/html; charset=utf-8')],
    upper: [true, typed('TEXT/HTML')],
    json: [true, typed('application/json')],
    svg: [true, typed('image/svg+xml')],
    rss: [true, typed('application/rss+xml')],
    bytes: [true, [Buffer.from(text), 200, { 'content-type': 'text/css' }]],
    notFound: [true, [text, 404]],
    png: [false, typed('image/png')],
    xhtml: [false, typed('text/html+x')],
    untyped: [false, Buffer.from(text)],
    small: [false, 'x'.repeat(4095)],
    exact: [true, 'x'.repeat(4096)],
    encoded: [false, [brotliCompressSync(randomBytes(8000)), 200, { 'Content-Type': 'text/html', 'Content-Encoding': 'br' }]],
    transform: [false, typed('text/html', { 'Cache-Control': 'public, no-transform' })],
    ranged: [false, typed('text/html', { 'Content-Range': 'bytes 0-9/20' })],
    partial: [false, [text, 206, { 'Content-Type': 'text/html', 'Content-Range': 'bytes 0-1/2' }]],
  }
  const { ask } = await serve(
    t, {}, table(Object.fromEntries(Object.entries(responses).map(([path, [, response]]) => [path, response]))),
  )
  for (const [path, [encoded]] of Object.entries(responses)) {
    const response = await ask(request(`GET /${path}`, { 'Accept-Encoding': 'gzip' }))
    const encoding = valueOf(response, 'content-encoding')
    t.equal(encoding === 'gzip', encoded, path)
    t.equal(valueOf(response, 'vary'), encoded ? 'Accept-Encoding' : undefined, `${path}: Vary`)
    if (encoded) t.ok(response.body.length < 1000)
    else t.ok(response.body.length >= 4095)
    t.equal(valueOf(response, 'content-length'), String(response.body.length))
  }
})

t.test('Vary is added to, strong ETags are weakened, the rest stays', async (t) => {
  const { ask } = await serve(t, {}, table({
    strong: [text, 200, { ETag: '"abc"', Vary: 'Origin', 'X-Other': 'kept' }],
    weak: [text, 200, { etag: 'W/"abc"', vary: 'accept-encoding' }],
    star: [text, 200, { Vary: '*' }],
    declared: [text, 200, { 'Content-Length': text.length }],
  }))
  const get = async (path: string, accept = 'gzip'): Promise<WireResponse> => await ask(
    request(`GET /${path}`, { 'Accept-Encoding': accept }),
  )
  const strong = await get('strong')
  t.equal(valueOf(strong, 'etag'), 'W/"abc"')
  t.equal(valueOf(strong, 'vary'), 'Origin, Accept-Encoding')
  t.equal(valueOf(strong, 'x-other'), 'kept')
  const plain = await get('strong', 'identity')
  t.equal(valueOf(plain, 'etag'), '"abc"', 'not encoded: as strong as it was')
  t.equal(valueOf(plain, 'vary'), 'Origin, Accept-Encoding')
  const weak = await get('weak')
  t.equal(valueOf(weak, 'etag'), 'W/"abc"')
  t.equal(valueOf(weak, 'vary'), 'accept-encoding')
  t.equal(valueOf(await get('star'), 'vary'), '*')
  t.equal(decoded(await get('declared')), text, 'the length that the handler gave was that of the content before')
})

t.test('304 and 206 vary as the 200 would, as far as they tell', async (t) => {
  const size = text.length
  const html = { 'Content-Type': 'text/html' }
  const range = { 'Content-Range': `bytes 0-9/${size}` }
  const responses: Record<string, [varies: boolean, response: () => HandlerResult]> = {
    same: [true, () => [null, 304, { ETag: '"x"' }]],
    sameText: [true, () => [text, 304]],
    sameSmall: [false, () => ['small', 304]],
    sameDeclared: [true, () => [null, 304, { ...html, 'Content-Length': size }]],
    sameDeclaredSmall: [false, () => [null, 304, { ...html, 'Content-Length': 10 }]],
    sameStream: [true, () => [new Set([text]), 304, html]],
    samePng: [false, () => [null, 304, { 'content-type': 'image/png' }]],
    sameEncoded: [false, () => [null, 304, { 'Content-Encoding': 'br' }]],
    sameUntransformed: [false, () => [null, 304, { 'Cache-Control': 'no-transform' }]],
    part: [true, () => [text.slice(0, 10), 206, { ...html, ...range }]],
    partBytes: [true, () => [Buffer.from(text.slice(0, 10)), 206, { ...html, ...range }]],
    partUnknown: [true, () => [text.slice(0, 10), 206, { ...html, 'Content-Range': 'bytes 0-9/*' }]],
    partStream: [true, () => [new Set([text.slice(0, 10)]), 206, { ...html, ...range, 'Content-Length': 10 }]],
    parts: [true, () => ['--x--', 206, { 'Content-Type': 'multipart/byteranges; boundary=x' }]],
    partSmall: [false, () => ['x', 206, { ...html, 'Content-Range': 'bytes 0-0/2' }]],
    partPng: [false, () => ['x', 206, { ...range, 'Content-Type': 'image/png' }]],
  }
  const { connect } = await serve(t, {}, (_method, query) => responses[query.slice(1)][1]())
  for (const [path, [varies]] of Object.entries(responses)) {
    for (const line of [`GET /${path}`, `HEAD /${path}`, `GET /${path} HTTP/1.0`]) {
      const client = await connect(request(line, { 'Accept-Encoding': 'gzip' }))
      const [response] = await client.responses(1, [line.split(' ')[0]])
      t.equal(valueOf(response, 'vary'), varies ? 'Accept-Encoding' : undefined, line)
      t.equal(valueOf(response, 'content-encoding'), path === 'sameEncoded' ? 'br' : undefined, line)
      if (path === 'same') t.equal(valueOf(response, 'etag'), '"x"')
    }
  }
  const off = await serve(t, { compression: { enabled: false } }, () => [null, 304])
  t.equal(valueOf(await off.ask(request('GET /')), 'vary'), undefined)
  const origin = await serve(t, {}, () => [null, 304, { vary: 'Origin' }])
  t.equal(valueOf(await origin.ask(request('GET /')), 'vary'), 'Origin, Accept-Encoding')
})

t.test('HEAD without content that declares a length varies as its GET does', async (t) => {
  const { connect } = await serve(t, {}, (method) => [
    method === 'HEAD' ? null : text, 200, { 'Content-Type': 'text/html', 'Content-Length': text.length },
  ])
  const client = await connect(request('HEAD /', { 'Accept-Encoding': 'gzip' }) + request('HEAD /') + request('GET /'))
  const [packed, plain] = await client.responses(3, ['HEAD', 'HEAD'])
  t.equal(valueOf(packed, 'vary'), 'Accept-Encoding')
  t.equal(valueOf(packed, 'content-encoding'), 'gzip')
  t.equal(valueOf(packed, 'content-length'), undefined, 'that of the compressed content is not known')
  t.equal(valueOf(plain, 'vary'), 'Accept-Encoding')
  t.equal(valueOf(plain, 'content-length'), String(text.length))
})

t.test('HEAD says what GET would', async (t) => {
  const { connect } = await serve(t, {}, table({ text, small: 'small' }))
  const client = await connect(
    request('HEAD /text', { 'Accept-Encoding': 'gzip' }) + request('HEAD /text') + request('HEAD /small') +
    request('GET /small'),
  )
  const [packed, plain, small, last] = await client.responses(4, ['HEAD', 'HEAD', 'HEAD'])
  t.equal(valueOf(packed, 'content-encoding'), 'gzip')
  t.equal(valueOf(packed, 'vary'), 'Accept-Encoding')
  t.equal(valueOf(plain, 'content-length'), String(text.length))
  t.equal(valueOf(small, 'content-length'), '5')
  t.equal(last.body.toString(), 'small')
})

t.test('settings: off, other types, another size', async (t) => {
  const gzip = { 'Accept-Encoding': 'gzip' }
  const off = await serve(t, { compression: { enabled: false } }, table({ text }))
  const untouched = await off.ask(request('GET /text', gzip))
  t.equal(valueOf(untouched, 'content-encoding'), undefined)
  t.equal(valueOf(untouched, 'vary'), undefined)
  const other = await serve(t, { compression: { types: ['application/x-mine'], min_size: 10 } }, table({
    mine: ['x'.repeat(10), 200, { 'Content-Type': 'application/x-mine' }],
    short: ['x'.repeat(9), 200, { 'Content-Type': 'application/x-mine' }],
    text,
  }))
  t.equal(valueOf(await other.ask(request('GET /mine', gzip)), 'content-encoding'), 'gzip')
  t.equal(valueOf(await other.ask(request('GET /short', gzip)), 'content-encoding'), undefined)
  t.equal(valueOf(await other.ask(request('GET /text', gzip)), 'content-encoding'), undefined)
})

t.test('pipelined: responses compressed in the pool keep their place', async (t) => {
  const { connect } = await serve(
    t, {}, (_method, query) => (Number(query.slice(1)) % 2 === 0 ? `${query} ${text.repeat(20)}` : query),
  )
  const client = await connect(
    Array.from({ length: 30 }, (_, k) => request(`GET /${k}`, { 'Accept-Encoding': 'gzip' })).join(''),
  )
  const responses = await client.responses(30)
  t.strictSame(
    responses.map((response) => decoded(response).split(' ', 1)[0]), Array.from({ length: 30 }, (_, k) => `/${k}`),
  )
})

t.test('large contents do not block the others', async (t) => {
  const huge = Buffer.alloc(40 * 1024 * 1024, text)
  const order: string[] = []
  const { connect } = await serve(t, {}, (_method, query) => {
    if (query === '/huge') return [huge, 200, { 'Content-Type': 'text/plain' }]
    return query
  })
  const big = await connect(request('GET /huge', { 'Accept-Encoding': 'gzip' }))
  const all = big.responses(1).then(([response]) => {
    order.push('huge')
    return response
  })
  const other = await connect()
  for (let k = 1; k <= 10; k++) {
    other.send(request('GET /small'))
    await other.responses(k)
    order.push('small')
  }
  t.equal(gunzipSync((await all).body).length, huge.length)
  t.ok(order.indexOf('huge') >= 3, `answered meanwhile: ${order.indexOf('huge')}`)
})
