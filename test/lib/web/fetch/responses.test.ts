// Which bytes a Response of an application is on the wire.
import t from 'tap'
import { fromFetch, type FetchApplication } from '../../../../lib/web/fetch/index.js'
import { eventually, request, serve } from '../../../support/serving.js'
import type { WireResponse } from '../../../support/responses.js'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** A stream of these chunks, one for each time that one is asked for. An error is that of the stream. */
function stream(...chunks: unknown[]): ReadableStream {
  const left = [...chunks]
  return new ReadableStream({
    pull(controller) {
      const chunk = left.shift()
      if (chunk instanceof Error) controller.error(chunk)
      else if (chunk === undefined) controller.close()
      else controller.enqueue(chunk)
    },
  }, { highWaterMark: 0 })
}

type Fields = Readonly<Record<string, string | null>>
interface Row {
  readonly app: FetchApplication
  readonly method?: string
  readonly status?: number
  readonly body?: string
  /** Null: the field is not sent. */
  readonly fields?: Fields
  /** The error that is logged. */
  readonly error?: RegExp
}

const respond = (...args: ConstructorParameters<typeof Response>): FetchApplication => () => new Response(...args)
/** A response of another library than the platform's, with any values. */
const like = (values: object): FetchApplication => () => ({ status: 200, headers: new Headers(), body: null, bodyUsed: false, type: 'default', ...values }) as Response

const length = (text: string | null): Fields => ({ 'content-length': text, 'transfer-encoding': null })
const chunked: Fields = { 'content-length': null, 'transfer-encoding': 'chunked' }

const rows: Record<string, Row> = {
  // Statuses.
  '204': { app: respond(null, { status: 204 }), status: 204, fields: length(null) },
  '205': { app: respond(null, { status: 205 }), status: 205, fields: length('0') },
  '304': { app: respond(null, { status: 304, headers: { ETag: '"a"' } }), status: 304, fields: { ...length(null), etag: '"a"' } },
  '304 with the length of the 200': { app: respond(null, { status: 304, headers: { 'Content-Length': '7' } }), status: 304, fields: length('7') },
  '206': { app: respond('bcd', { status: 206, headers: { 'Content-Range': 'bytes 1-3/5' } }), status: 206, body: 'bcd', fields: { ...length('3'), 'content-range': 'bytes 1-3/5' } },
  '599': { app: respond('x', { status: 599 }), status: 599, body: 'x' },
  'a status text': { app: respond('x', { statusText: 'Fine' }), body: 'x' },
  '204 with content, which the standard refuses': { app: () => new Response('x', { status: 204 }), status: 500, error: /204/ },
  '101, which the standard refuses': { app: () => new Response(null, { status: 101 }), status: 500, error: /status|range/i },
  'status 101 of another library': { app: like({ status: 101 }), status: 500, error: /not an integer from 200 to 599/ },
  'status 600 of another library': { app: like({ status: 600 }), status: 500, error: /not an integer from 200 to 599/ },
  'status "200" of another library': { app: like({ status: '200' }), status: 500, error: /not an integer from 200 to 599/ },
  '204 with content of another library': { app: like({ status: 204, body: stream(bytes('x')) }), status: 204, fields: length(null) },
  // Lengths and framing.
  'the right length': { app: respond('abc', { headers: { 'Content-Length': '3' } }), body: 'abc', fields: length('3') },
  'too great a length': { app: respond('abc', { headers: { 'Content-Length': '9' } }), body: 'abc', fields: length('3') },
  'too small a length': { app: respond('abc', { headers: { 'Content-Length': '1' } }), body: 'abc', fields: length('3') },
  'no length at all': { app: respond('abc', { headers: { 'Content-Length': 'x' } }), status: 500, error: /not a length/ },
  'a length of nothing': { app: respond(null, { headers: { 'Content-Length': '5' } }), fields: length('0') },
  'the right length of a stream': { app: respond(stream(bytes('ab'), bytes('c')), { headers: { 'Content-Length': '3' } }), body: 'abc', fields: length('3') },
  'Transfer-Encoding: chunked': { app: respond('abc', { headers: { 'Transfer-Encoding': 'chunked' } }), body: 'abc', fields: length('3') },
  'Transfer-Encoding: gzip': { app: respond('abc', { headers: { 'Transfer-Encoding': 'gzip' } }), body: 'abc', fields: length('3') },
  'Connection: close': { app: respond('abc', { headers: { Connection: 'close' } }), body: 'abc', fields: { connection: 'close' } },
  'Keep-Alive': { app: respond('abc', { headers: { 'Keep-Alive': 'timeout=999' } }), body: 'abc', fields: { 'keep-alive': 'timeout=15' } },
  'Date': { app: respond('abc', { headers: { Date: 'Thu, 01 Jan 1970 00:00:00 GMT' } }), body: 'abc', fields: { date: 'Thu, 01 Jan 1970 00:00:00 GMT' } },
  // HEAD.
  'HEAD of text': { app: respond('abc'), method: 'HEAD', fields: { ...length('3'), 'content-type': 'text/plain;charset=UTF-8' } },
  'HEAD of nothing': { app: respond(null), method: 'HEAD', fields: { 'transfer-encoding': null } },
  'HEAD with the length of GET': { app: respond(null, { headers: { 'Content-Length': '1234' } }), method: 'HEAD', fields: length('1234') },
  'HEAD of a stream with a length': { app: respond(stream(bytes('a'), bytes('b')), { headers: { 'Content-Length': '2' } }), method: 'HEAD', fields: length('2') },
  'HEAD of a stream': { app: respond(stream(bytes('a'), bytes('b'))), method: 'HEAD' },
  // Kinds of content, and their default types.
  'nothing': { app: respond(null), fields: { ...length('0'), 'content-type': null } },
  'undefined': { app: respond(undefined), fields: { ...length('0'), 'content-type': null } },
  'empty text': { app: respond(''), fields: { ...length('0'), 'content-type': 'text/plain;charset=UTF-8' } },
  'text': { app: respond('grün'), body: 'grün', fields: { ...length('5'), 'content-type': 'text/plain;charset=UTF-8' } },
  'text of its own type': { app: respond('<p>', { headers: { 'Content-Type': 'text/html' } }), body: '<p>', fields: { 'content-type': 'text/html' } },
  'bytes': { app: respond(bytes('ab')), body: 'ab', fields: { ...length('2'), 'content-type': null } },
  'an ArrayBuffer': { app: respond(bytes('ab').slice().buffer), body: 'ab', fields: { ...length('2'), 'content-type': null } },
  'a part of an ArrayBuffer': { app: respond(bytes('abc').subarray(1)), body: 'bc', fields: length('2') },
  'a Blob': { app: respond(new Blob(['blob'], { type: 'text/x-blob' })), body: 'blob', fields: { 'content-type': 'text/x-blob' } },
  'a Blob without a type': { app: respond(new Blob(['blob'])), body: 'blob', fields: { 'content-type': null } },
  'an empty Blob': { app: respond(new Blob([])), fields: length('0') },
  'URLSearchParams': { app: respond(new URLSearchParams({ a: '1 2' })), body: 'a=1+2', fields: { ...length('5'), 'content-type': 'application/x-www-form-urlencoded;charset=UTF-8' } },
  'JSON': { app: () => Response.json({ a: [null] }), body: '{"a":[null]}', fields: { ...length('12'), 'content-type': 'application/json' } },
  'a redirect': { app: () => Response.redirect('http://other.test/a b', 308), status: 308, fields: { ...length('0'), location: 'http://other.test/a%20b' } },
  'an object': { app: respond({} as never), body: '[object Object]' },
  // Streams.
  'an empty stream': { app: respond(stream()), fields: { ...length('0'), 'content-type': null } },
  'a stream of one chunk': { app: respond(stream(bytes('one'))), body: 'one', fields: { ...length('3'), 'content-type': null } },
  'a stream of two chunks': { app: respond(stream(bytes('a'), bytes('bc'))), body: 'abc', fields: { ...chunked, 'content-type': null } },
  'a stream with empty chunks': { app: respond(stream(bytes(''), bytes('a'), bytes(''), bytes('b'), bytes(''))), body: 'ab', fields: chunked },
  'a stream of an empty chunk': { app: respond(stream(bytes(''))), fields: length('0') },
  'a stream of strings': { app: respond(stream('text')), status: 500, error: /must give bytes \(Uint8Array\), got "text"/ },
  'a stream of ArrayBuffers': { app: respond(stream(new ArrayBuffer(1))), status: 500, error: /must give bytes \(Uint8Array\)/ },
  'a stream that fails at once': { app: respond(stream(new Error('at once'))), status: 500, error: /at once/ },
  'a stream through a transform': { app: () => new Response(stream('tränen', 'x').pipeThrough(new TextEncoderStream())), body: 'tränenx', fields: chunked },
  'a body that another reads': {
    app: () => {
      const response = new Response('x')
      response.body?.getReader()
      return response
    },
    status: 500, error: /locked/,
  },
  'a body that was read': {
    app: async () => {
      const response = new Response('x')
      await response.text()
      return response
    },
    status: 500, error: /read already/,
  },
  'the clone of a body': { app: () => new Response('abc').clone(), body: 'abc' },
  'a body that was cloned': {
    app: async () => {
      const response = new Response(stream(bytes('ab'), bytes('c')))
      const copy = await response.clone().text()
      response.headers.set('x-copy', copy)
      return response
    },
    body: 'abc', fields: { 'x-copy': 'abc' },
  },
  'a new Response of an old one': { app: () => new Response(new Response('abc').body, { headers: { 'x-a': '1' } }), body: 'abc', fields: { 'x-a': '1' } },
  // Headers.
  'two values': {
    app: () => {
      const response = new Response('x')
      response.headers.append('X-A', '1')
      response.headers.append('X-A', '2')
      return response
    },
    body: 'x', fields: { 'x-a': '1, 2' },
  },
  'latin1': { app: respond('x', { headers: { 'X-A': 'gr\xfcn' } }), body: 'x', fields: { 'x-a': 'gr\xfcn' } },
  // The content is what brotli makes of nothing.
  'a coding of its own': { app: respond(';', { headers: { 'Content-Encoding': 'br', 'Content-Type': 'text/html' } }), body: ';', fields: { 'content-encoding': 'br' } },
  'a coding, from another library': { app: like({ headers: new Headers({ 'Content-Encoding': 'br' }), body: stream(bytes(';')) }), body: ';', fields: { 'content-encoding': 'br' } },
  // No Response.
  'Response.error()': { app: () => Response.error(), status: 500, error: /Response\.error\(\)/ },
  'undefined in place of a Response': { app: () => undefined as never, status: 500, error: /must return a Response, got undefined/ },
  'a promise of text': { app: async () => 'text' as never, status: 500, error: /must return a Response, got "text"/ },
  'a body that is no stream': { app: like({ body: 'text' }), status: 500, error: /body/ },
}

const fieldOf = ({ fields }: WireResponse, name: string): string | null => fields.find(([one]) => one === name)?.[1] ?? null

t.test('every kind of Response', async (t) => {
  for (const [what, { app, method = 'GET', status = 200, body = '', fields = {}, error }] of Object.entries(rows)) {
    const { ask, connect, log } = await serve(t, {}, fromFetch(app))
    const response = await ask(request(`${method} /`))
    t.equal(response.status, status, what)
    if (status !== 500) t.equal(response.body.toString(), body, `${what}: content`)
    for (const [name, value] of Object.entries(fields)) t.equal(fieldOf(response, name), value, `${what}: ${name}`)
    t.equal(log.of('error').length, error === undefined ? 0 : 1, `${what}: errors logged`)
    if (error !== undefined) t.match(String((log.of('error')[0] as { err: Error }).err.message), error, what)
    const client = await connect(request(`${method} /`))
    await client.responses(1, [method])
    client.close()
  }
})

t.test('a form is sent with its boundary', async (t) => {
  const form = new FormData()
  form.set('a', 'b')
  form.set('file', new Blob(['content']), 'name.txt')
  const { ask } = await serve(t, {}, fromFetch(() => new Response(form)))
  const got = await ask(request('GET /'))
  const type = fieldOf(got, 'content-type') ?? ''
  t.match(type, /^multipart\/form-data; boundary=/)
  const read = await new Response(got.body, { headers: { 'Content-Type': type } }).formData()
  t.equal(read.get('a'), 'b')
})

t.test('content that does not keep its length, or fails later, is cut, and a kept connection is not misread', async (t) => {
  const table: Record<string, FetchApplication> = {
    'too short': () => new Response(stream(bytes('a'), bytes('b')), { headers: { 'Content-Length': '5' } }),
    'too long': () => new Response(stream(bytes('abc'), bytes('def')), { headers: { 'Content-Length': '5' } }),
    'fails later': () => new Response(stream(bytes('a'), bytes('b'), new Error('later'))),
    'gives text later': () => new Response(stream(bytes('a'), bytes('b'), 'text')),
  }
  for (const [what, app] of Object.entries(table)) {
    const { connect, log } = await serve(t, {}, fromFetch(app))
    const client = await connect(request('GET /') + request('GET /'))
    await client.over
    t.equal(client.text.match(/HTTP\/1\.1 /g)?.length, 1, `${what}: one response begins`)
    t.notMatch(client.text, /\r\n0\r\n\r\n$/, `${what}: no end of chunks`)
    await eventually(() => log.of('error').length > 0, 'the error')
    t.equal(log.of('error').length, 1, what)
  }
})

t.test('a body that is not sent is cancelled with a reason', async (t) => {
  const reasons: unknown[] = []
  const endless = (): ReadableStream => new ReadableStream({
    pull: (controller) => controller.enqueue(bytes('x')), cancel: (reason) => void reasons.push(reason),
  })
  const table: Record<string, [app: FetchApplication, method: string]> = {
    'HEAD': [() => new Response(endless()), 'HEAD'],
    'a header that cannot be sent': [() => new Response(endless(), { headers: { 'Content-Length': 'x' } }), 'GET'],
    'more than its length': [() => new Response(endless(), { headers: { 'Content-Length': '2' } }), 'GET'],
    '204 of another library': [like({ status: 204, body: endless() }), 'GET'],
  }
  for (const [what, [app, method]] of Object.entries(table)) {
    const { connect } = await serve(t, {}, fromFetch(app))
    await connect(request(`${method} /`))
    await eventually(() => reasons.length > 0, `${what}: cancel`)
    t.equal(typeof reasons.pop(), 'string', what)
    t.equal(reasons.length, 0)
  }
})
