import t from 'tap'
import { inspect } from 'node:util'
import { fromFetch, lightGlobals, type FetchApplication } from '../../../lib/web/fetch/index.js'
import { Light } from '../../../lib/web/fetch/light.js'
import { request, serve } from '../../support/serving.js'

const platform = { Request, Response, fetch }

/** What comes of a check: its value, or the class of its error. */
async function outcome(check: () => unknown): Promise<unknown> {
  try {
    return { value: await check() }
  } catch (error) {
    return { error: (error as Error).constructor.name, message: (error as Error).message }
  }
}

async function lightly<T>(run: () => Promise<T>): Promise<T> {
  const undo = lightGlobals()
  try {
    return await run()
  } finally {
    undo()
  }
}

const fieldsOf = (headers: Headers): unknown => [...headers]
const bytesOf = (buffer: ArrayBuffer): unknown => [...new Uint8Array(buffer)]

type Both = Request | Response

/** Checks of the members that a Request and a Response share. */
const ofBodies: Record<string, (one: Both) => unknown> = {
  'text': (one) => one.text(),
  'json': (one) => one.json(),
  'arrayBuffer': async (one) => bytesOf(await one.arrayBuffer()),
  'an ArrayBuffer of its own': async (one) => (await one.arrayBuffer()).byteLength,
  'bytes': async (one) => [...await (one as unknown as { bytes(): Promise<Uint8Array> }).bytes()],
  'blob': async (one) => { const blob = await one.blob(); return [blob.type, await blob.text()] },
  'formData': async (one) => [...await one.formData()],
  'the stream': async (one) => (one.body === null ? null : new platform.Response(one.body as never).text()),
  'the stream is one': (one) => one.body === one.body,
  'text twice': async (one) => { await one.text(); return one.text() },
  'json after arrayBuffer': async (one) => { await one.arrayBuffer(); return one.json() },
  'blob after text': async (one) => { await one.text(); return one.blob() },
  'bodyUsed': async (one) => { const before = one.bodyUsed; await one.text(); return [before, one.bodyUsed] },
  'bodyUsed at once': (one) => { void one.text().catch(() => {}); return one.bodyUsed },
  'bodyUsed after json failed': async (one) => { await one.json().catch(() => {}); return one.bodyUsed },
  'bodyUsed with the stream looked at': (one) => { void one.body; return one.bodyUsed },
  'bodyUsed with a reader': async (one) => { await one.body?.getReader().read(); return one.bodyUsed },
  'text of a locked stream': (one) => { one.body?.getReader(); return one.text() },
  'the stream after text is locked': async (one) => { await one.text(); return one.body?.locked },
  'clone': async (one) => { const copy = one.clone(); return [await copy.text(), await one.text(), copy === one] },
  'clone of a clone': async (one) => [await one.clone().clone().text(), await one.text()],
  'clone after text': async (one) => { await one.text(); return typeof one.clone() },
  'clone keeps headers apart': (one) => { const copy = one.clone(); copy.headers.set('x-new', '1'); return [one.headers.get('x-new'), copy.headers.get('x-new')] },
  'clone takes changed headers': (one) => { one.headers.set('x-new', '1'); one.headers.delete('content-type'); return fieldsOf(one.clone().headers) },
  'headers changed after the stream was made': (one) => { void one.headers; void one.body; one.headers.set('x-new', '1'); return fieldsOf(one.clone().headers) },
  'headers': (one) => fieldsOf(one.headers),
  'headers are one': (one) => { const before = one.headers; void one.body; return before === one.headers },
  'headers are Headers': (one) => one.headers instanceof Headers,
  'headers cannot be set': (one) => { try { return (one as { headers: unknown }).headers = null } catch (error) { return error instanceof TypeError } },
  // Only inspect shows in which case the names of headers were given.
  'inspect': (one) => inspect(one).toLowerCase(),
  'inspect after text': async (one) => { await one.text(); return inspect(one).toLowerCase().replace(/locked: \w+|state: '\w+'/g, '') },
  'own keys': (one) => [Object.keys(one), JSON.stringify(one)],
  'the constructor': ({ constructor }) => [constructor === Request, constructor === Response, constructor.name],
  'tag': (one) => Object.prototype.toString.call(one),
  'members': (one) => { const names = []; for (const name in one) names.push(name); return names.sort() },
  'no members of its own': (one) => Object.getOwnPropertyNames(one).length,
}

const ofRequests: Record<string, (one: Request) => unknown> = {
  'properties': ({ method, url, mode, redirect, cache, credentials, referrer, referrerPolicy, integrity, keepalive, destination }) => (
    { method, url, mode, redirect, cache, credentials, referrer, referrerPolicy, integrity, keepalive, destination }
  ),
  'duplex': (one) => (one as { duplex?: string }).duplex,
  'instanceof': (one) => [one instanceof Request, one instanceof platform.Request, one instanceof Response],
  'a member that does not exist': (one) => (one as { nothing?: unknown }).nothing,
  'the signal is one': (one) => [one.signal === one.signal, one.signal.aborted, one.signal instanceof AbortSignal],
  'the signal of a clone': (one) => one.clone().signal === one.signal,
  'new Request': async (one) => { const copy = new Request(one); return [copy.method, copy.url, fieldsOf(copy.headers), await copy.text()] },
  'new Request uses up the first': async (one) => { const copy = new Request(one); return [await copy.text(), one.bodyUsed] },
  'new of its constructor': async (one) => { const copy = new (one.constructor as typeof Request)(one); return [copy.method, copy.url, await copy.text()] },
  'new Request, other headers': (one) => { const copy = new Request(one, { headers: { 'x-one': '1' } }); return [copy.url, copy.headers.get('x-one'), copy.headers.get('host')] },
  'new Request, other URL': async (one) => {
    const copy = new Request('http://other.test/p', one)
    return [copy.method, copy.url, fieldsOf(copy.headers)]
  },
  'new Request after text': async (one) => { await one.text(); return new Request(one).url },
  'new Request, other content, after text': async (one) => { await one.text(); return new Request(one, { method: 'POST', body: 'new' }).text() },
  'a subclass': async (one) => {
    class Own extends Request { extra = 1 }
    const copy = new Own(one)
    return [copy instanceof Own, copy instanceof Request, copy.extra, copy.url, await copy.text()]
  },
  'fetch': (one) => fetch(new Request('data:text/plain,x', { headers: one.headers })).then((response) => response.text()),
  'fetch of a used one': async (one) => { await one.text(); await fetch(one) },
}

const ofResponses: Record<string, (one: Response) => unknown> = {
  'properties': ({ status, statusText, ok, type, redirected, url }) => ({ status, statusText, ok, type, redirected, url }),
  'instanceof': (one) => [one instanceof Response, one instanceof platform.Response, one instanceof Request],
  'new Response of its parts': async (one) => { const copy = new Response(one.body, one); return [copy.status, fieldsOf(copy.headers), await copy.text()] },
  'the properties of a clone': (one) => { const { status, ok, headers } = one.clone(); return { status, ok, headers: fieldsOf(headers) } },
}

const form = 'multipart/form-data; boundary=b'
const formContent = '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nvalue\r\n--b--\r\n'

const requests: Record<string, string> = {
  'GET': request('GET /users/ann?x=1', { 'X-A': 'one', Cookie: 'a=1' }),
  'GET with content that is dropped': request('GET /x', {}, 'dropped'),
  'HEAD': request('HEAD /'),
  'POST': request('POST /json', { 'Content-Type': 'application/json' }, '{"a":[1,"ü"]}'),
  'POST of no JSON': request('POST /json', { 'Content-Type': 'application/json' }, '{'),
  'POST of nothing': request('POST /'),
  'POST of no bytes': request('POST /', { 'Content-Length': '0' }),
  'a byte order mark': request('POST /', {}, '\ufeff{}'),
  'a form': request('POST /', { 'Content-Type': form }, formContent),
  'an urlencoded form': request('PUT /', { 'Content-Type': 'application/x-www-form-urlencoded' }, 'a=b+c'),
  'a path to normalize': request('GET /a/../b/%2e/c"d'),
  'a host to normalize': request('GET /', { Host: 'TEST:80' }),
  'an asterisk': request('OPTIONS *'),
  'PATCH': request('PATCH /', {}, 'x'),
  'a method in lower case': request('patchwork /', {}, 'x'),
}

const responses: Record<string, () => Response> = {
  'text': () => new Response('grün'),
  'no text': () => new Response(''),
  'nothing': () => new Response(null, { status: 404 }),
  'no arguments': () => new Response(),
  '204': () => new Response(null, { status: 204 }),
  '204 with content': () => new Response('x', { status: 204 }),
  '304 with no text': () => new Response('', { status: 304 }),
  'status 199': () => new Response('x', { status: 199 }),
  'status 600': () => new Response('x', { status: 600 }),
  'a status as text': () => new Response('x', { status: '201' as unknown as number }),
  'status null': () => new Response('x', { status: null as unknown as number }),
  'a status text': () => new Response('x', { status: 201, statusText: 'Made' }),
  'headers': () => new Response('x', { headers: { 'X-A': 'b', 'Content-Type': 'text/html' } }),
  'headers in Headers': () => new Response('x', { headers: new Headers([['a', '1'], ['set-cookie', 'b'], ['set-cookie', 'c']]) }),
  'headers in pairs': () => new Response('x', { headers: [['a', '1'], ['a', '2']] }),
  'headers that differ in case': () => new Response('x', { headers: { 'X-A': '1', 'x-a': '2' } }),
  'headers with spaces': () => new Response('x', { headers: { 'x-a': '  1 ', 'x-b': '' } }),
  'odd names of headers': () => new Response('x', { headers: { constructor: '1', hasOwnProperty: '2' } }),
  'a header named __proto__': () => new Response('x', { headers: [['__proto__', '1'], ['constructor', '2']] }),
  'a number as header': () => new Response('x', { headers: { age: 3 as unknown as string } }),
  'a bad name': () => new Response('x', { headers: { 'a b': '1' } }),
  'a bad value': () => new Response('x', { headers: { a: '1\n2' } }),
  'a value beyond latin1': () => new Response('x', { headers: { a: '€' } }),
  'a latin1 value': () => new Response('x', { headers: { a: 'ü' } }),
  'headers null': () => new Response('x', { headers: null as never }),
  'init is a text': () => new Response('x', 'y' as never),
  'init null': () => new Response('x', null as never),
  'JSON text': () => new Response('{"a":[1]}', { headers: { 'Content-Type': 'application/json' } }),
  'Response.json': () => Response.json({ a: 'ü' }),
  'Response.json with a status': () => Response.json([1], { status: 201 }),
  'Response.json with headers': () => Response.json([1], { headers: { 'x-a': 'b', 'content-type': 'a/b' } }),
  'Response.json with 204': () => Response.json([1], { status: 204 }),
  'Response.json of nothing': () => Response.json(undefined),
  'Response.json of a circle': () => { const circle: unknown[] = []; circle.push(circle); return Response.json(circle) },
  'redirect': () => Response.redirect('http://other.test/', 303),
  'redirect, bad status': () => Response.redirect('http://other.test/', 200 as 301),
  'error': () => Response.error(),
  'bytes': () => new Response(new Uint8Array([104, 105])),
  'a part of bytes': () => new Response(new Uint8Array([1, 104, 105, 2]).subarray(1, 3)),
  'bytes that change later': () => { const bytes = new Uint8Array([104, 105]); const one = new Response(bytes); bytes[0] = 0; return one },
  'an object that changes later': () => { const headers: Record<string, string> = { a: '1' }; const one = new Response('x', { headers }); headers['a'] = '2'; return one },
  'Headers that change later': () => { const headers = new Headers({ a: '1' }); const one = new Response('x', { headers }); headers.set('a', '2'); return one },
  'headers set later': () => { const one = new Response('x', { headers: { a: '1' } }); one.headers.set('A', '2'); one.headers.append('set-cookie', 'x'); return one },
  'an ArrayBuffer': () => new Response(new Uint8Array([104, 105]).buffer),
  'a number': () => new Response(5 as never),
  'half a surrogate': () => new Response('a\ud800b'),
  'a byte order mark': () => new Response('\ufeffx'),
  'a blob': () => new Response(new Blob(['blob'], { type: 'text/x-blob' })),
  'search parameters': () => new Response(new URLSearchParams({ a: '1 2' })),
  'a stream': () => new Response(new ReadableStream({ start: (c) => { c.enqueue(new TextEncoder().encode('piece')); c.close() } })),
  'of another': () => new Response('x', new Response('y', { status: 201, headers: { a: 'b' } })),
  'a form': () => new Response(formContent, { headers: { 'content-type': form } }),
  'of a subclass': () => new (class Own extends Response { extra = 1 })('x', { status: 201 }),
}

t.test('a Request of the server reads content as the platform does', async (t) => {
  for (const [kind, text] of Object.entries(requests)) {
    for (const [name, check] of Object.entries(ofBodies)) {
      let outcomes: unknown[] = []
      const { ask } = await serve(t, {}, fromFetch(async (given) => {
        const { url, method, headers } = given
        const body = text.slice(text.indexOf('\r\n\r\n') + 4)
        const hasBody = method !== 'GET' && method !== 'HEAD' && body !== ''
        // Bytes, so that the platform adds no content-type.
        const fresh = new Request(url, { method, headers, body: hasBody ? Buffer.from(body, 'latin1') : null })
        outcomes = [await outcome(() => check(given)), await outcome(() => check(fresh))]
        return new Response()
      }))
      await ask(text)
      t.strictSame(outcomes[0], outcomes[1], `${kind}: ${name}`)
    }
  }
})

t.test('a light Request cannot be told from a real one', async (t) => {
  for (const [kind, text] of Object.entries(requests)) {
    for (const [name, check] of Object.entries({ ...ofBodies, ...ofRequests })) {
      const outcomes: unknown[] = []
      const { ask } = await serve(t, {}, fromFetch(async (given) => {
        outcomes.push(await outcome(() => check(given)))
        return new Response()
      }))
      await ask(text)
      await lightly(() => ask(text))
      t.equal(outcomes.length, 2, `${kind}: ${name}`)
      t.strictSame(outcomes[1], outcomes[0], `${kind}: ${name}`)
    }
  }
})

t.test('a light Response cannot be told from a real one', async (t) => {
  for (const [kind, make] of Object.entries(responses)) {
    for (const [name, check] of Object.entries({ ...ofBodies, ...ofResponses })) {
      const real = await outcome(() => check(make()))
      const light = await lightly(() => outcome(() => check(make())))
      t.strictSame(light, real, `${kind}: ${name}`)
    }
  }
})

t.test('the bytes that a client gets are the same', async (t) => {
  for (const [kind, make] of Object.entries(responses)) {
    const touches: Record<string, (one: Response) => Response> = {
      'as made': (one) => one,
      'headers looked at': (one) => { void one.headers; return one },
      'stream looked at': (one) => { void one.body; return one },
      'cloned': (one) => one.clone(),
      'a header set after the stream was looked at': (one) => { void one.headers; void one.body; one.headers.set('x-late', '1'); return one },
      'read': (one) => { void one.text(); return one },
    }
    for (const [name, touch] of Object.entries(touches)) {
      const { ask } = await serve(t, {}, fromFetch(() => touch(make())))
      const sent = async (): Promise<unknown> => {
        const { status, fields, body } = await ask(request('GET /'))
        // Headers sort their fields; a light Response does not look.
        const sorted = fields.filter(([field]) => field !== 'date').sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
        return { status, fields: sorted, body: body.toString('latin1') }
      }
      const real = await sent()
      t.strictSame(await lightly(sent), real, `${kind}, ${name}`)
    }
  }
})

t.test('content is sent once: a Response that is kept for all requests needs clone', async (t) => {
  for (const make of [() => new Response('kept'), () => new Response(''), () => Response.json(1), () => new Response(null, { status: 404 })]) {
    const sent = async (): Promise<unknown> => {
      const kept = make()
      const { ask, log } = await serve(t, {}, fromFetch((given) => (given.url.endsWith('/clone') ? kept.clone() : kept)))
      const statuses = []
      for (const path of ['/clone', '/clone', '/', '/', '/clone']) statuses.push((await ask(request(`GET ${path}`))).status)
      return [statuses, kept.bodyUsed, log.of('error').map((one) => (one as { err: Error }).err.message)]
    }
    const real = await sent()
    t.strictSame(await lightly(sent), real)
  }
})

t.test('they are light, and only while the globals are', async (t) => {
  const seen: unknown[] = []
  const app: FetchApplication = (given) => {
    const answers = [new Response('x'), Response.json([1]), new Response(null, { headers: { a: 'b' } })]
    seen.push([given, ...answers].map((one) => Light.is(one)))
    return answers[0]
  }
  const { ask } = await serve(t, {}, fromFetch(app))
  const descriptors = (): unknown => [
    ...['Request', 'Response', 'fetch', 'Headers'].map((name) => Object.getOwnPropertyDescriptor(globalThis, name)),
    ...[platform.Request, platform.Response].map(({ prototype }) => Object.getOwnPropertyDescriptor(prototype, 'constructor')),
  ]
  const before = descriptors()
  await ask(request('GET /'))
  t.strictSame([Request, Response, fetch], Object.values(platform), 'nothing is replaced without the call')
  await lightly(() => ask(request('GET /')))
  t.strictSame(seen, [[false, false, false, false], [true, true, true, true]])
  t.strictSame(descriptors(), before)
  const undo = lightGlobals()
  const again = lightGlobals()
  t.not(Request, platform.Request)
  again()
  undo()
  t.strictSame(descriptors(), before, 'another call changes nothing')
  const own = class extends platform.Request {}
  await lightly(async () => void (globalThis.Request = own))
  t.equal(Request, own, 'what others have put there stays')
  globalThis.Request = platform.Request
})

t.test('fetch takes a light Request', async (t) => {
  const echo = await serve(t, {}, fromFetch(async (given) => new Response(`${given.method} ${String(given.headers.get('x-a'))} ${await given.text()}`)))
  const { port } = await echo.server.listening
  const { ask } = await serve(t, {}, fromFetch((given) => fetch(given)))
  await lightly(async () => {
    const response = await ask(request('PUT /p', { 'Host': `127.0.0.1:${String(port)}`, 'X-A': 'one' }, 'content'))
    t.equal(response.body.toString(), 'PUT one content')
  })
})
