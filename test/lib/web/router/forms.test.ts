import { gzipSync } from 'node:zlib'
import t from 'tap'
import * as lev from '../../../../lev/index.js'
import * as server from '../../../../lib/index.js'
import { json, limited, routes, validated, type SchemaIssue, type StandardSchema } from '../../../../lib/web/router/index.js'
import { inject } from '../../../../testing/index.js'
import { wrap } from '../../../../lib/web/wrap.js'

/** A schema that lets everything through, and notes it. */
function seen(values: unknown[], issues: SchemaIssue[] = [], wait = false): StandardSchema<unknown, Record<string, unknown>> {
  return { '~standard': { version: 1, vendor: 'test', validate: (value) => {
    values.push(value)
    const result = issues.length > 0 ? { issues } : { value: value as Record<string, unknown> }
    return wait ? Promise.resolve(result) : result
  } } }
}

const urlencoded = { 'Content-Type': 'application/x-www-form-urlencoded' }

function multipart(...parts: [head: string, content: string][]): { headers: Record<string, string>, body: string } {
  const body = parts.map(([head, content]) => `--b\r\nContent-Disposition: form-data; ${head}\r\n\r\n${content}\r\n`).join('')
  return { headers: { 'Content-Type': 'multipart/form-data; boundary=b' }, body: `${body}--b--\r\n` }
}

/** Files as their name, type and content. */
async function plain(value: unknown): Promise<unknown> {
  if (value instanceof File) return [value.name, value.type, await value.text()]
  if (Array.isArray(value)) return await Promise.all(value.map(plain))
  return value
}

for (const buffer_body of [true, false]) {
  t.test(`forms, ${buffer_body ? '' : 'not '}buffered`, async (t) => {
    const values: unknown[] = []
    const handler = routes({
      'POST /form': validated({ form: seen(values) }, async ({ body }) => json(await Promise.all(Object.entries(body).map(async ([name, value]) => [name, await plain(value)])))),
      'POST /op': validated({ form: seen(values) }, function* ({ body }) {
        yield* lev.sleep(0)
        return json(Object.keys(body))
      }),
      'POST /later': validated({ form: seen(values, [], true) }, ({ body }) => json(Object.keys(body))),
      'POST /either': validated({ form: seen(values), body: seen(values) }, ({ body }) => json(body)),
      'POST /json': validated({ body: seen(values) }, ({ body }) => json(body)),
      'POST /wrong': validated({ form: seen(values, [{ message: 'no', path: ['file', 0] }]) }, () => 'x'),
    })
    const service = server.new({ log_level: 'error', buffer_body, decode_body: true, max_body_size: 1000 }, handler)
    const post = async (path: string, headers: Record<string, string>, body: string | Buffer = ''): Promise<string> => {
      const response = await inject(service, { method: 'POST', path, headers, body })
      const accept = response.headers.accept
      return `${response.status} ${response.text()}${accept === undefined ? '' : ` ${String(accept)}`}`
    }
    t.equal(await post('/form', urlencoded, 'a=1&b=x+y&a=2&__proto__=3'), '200 [["a",["1","2"]],["b","x y"],["__proto__","3"]]')
    t.equal(Object.getPrototypeOf(values[0]), null)
    t.equal(await post('/form', { 'Content-Type': 'Application/X-WWW-Form-Urlencoded; charset=utf-8' }, 'a=%c3%a9'), '200 [["a","é"]]')
    t.equal(await post('/form', urlencoded), '200 []')
    t.equal(await post('/form', {}), '200 []')
    const files = multipart(['name="title"', 'hare'], ['name="file"; filename="a/b.txt"\r\nContent-Type: Text/Plain', 'content'], ['name="none"; filename=""\r\nContent-Type: application/octet-stream', ''])
    t.equal(await post('/form', files.headers, files.body), '200 [["title","hare"],["file",["b.txt","text/plain","content"]]]')
    const mixed = multipart(['name="a"', '1'], ['name="a"; filename="x"', 'y'], ['name="a"; filename="z"', ''])
    t.equal(await post('/form', mixed.headers, mixed.body), '200 [["a",["1",["x","text/plain","y"],["z","text/plain",""]]]]')
    for (const path of ['/op', '/later']) t.equal(await post(path, urlencoded, 'a=1'), '200 ["a"]', path)

    t.equal(await post('/either', urlencoded, 'a=1'), '200 {"a":"1"}')
    t.equal(await post('/either', { 'Content-Type': 'application/json' }, '{"a":1}'), '200 {"a":1}')
    // Encoded content, whose length is not in the headers any more.
    t.equal(await post('/either', { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' }, gzipSync('{"a":1}')), '200 {"a":1}')
    t.equal(await post('/either', { ...urlencoded, 'Content-Encoding': 'gzip' }, gzipSync('a=1')), '200 {"a":"1"}')

    t.equal(await post('/wrong', urlencoded, 'a=1'), '422 {"title":"Unprocessable Content","status":422,"detail":"the request is not valid","errors":[{"in":"body","pointer":"#/file/0","detail":"no"}]}')
    const forms = 'application/x-www-form-urlencoded, multipart/form-data'
    const refused = (what: string, accept: string): string => `415 {"title":"Unsupported Media Type","status":415,"detail":"the content has to be ${what}"} ${accept}`
    t.equal(await post('/form', { 'Content-Type': 'application/json' }, '{}'), refused('a form', forms))
    t.equal(await post('/form', {}, 'a=1'), refused('a form', forms))
    t.equal(await post('/either', { 'Content-Type': 'text/plain' }, 'a=1'), refused('JSON or a form', `application/json, ${forms}`))
    t.equal(await post('/json', urlencoded, 'a=1'), refused('JSON', 'application/json'))
    t.match(await post('/form', multipart().headers, 'no form'), /^400 .*"status":400,"detail":/)
    t.match(await post('/form', urlencoded, Array.from({ length: 1001 }, () => 'a').join('&').slice(0, 1000)), /^200/)
    t.match(await post('/form', urlencoded, 'x'.repeat(1001)), /^413/)
  })
}

t.test('the form that a wrapper has put in place of the content', async (t) => {
  const handler = wrap(routes({ 'POST /': limited({ max_body_size: 10 }, validated({ form: seen([]) }, ({ body }) => json(body))) }), (request, next) => {
    request.body = Buffer.from('a=other')
    return next()
  })
  const response = await inject(server.new({ log_level: 'error' }, handler), { method: 'POST', path: '/', headers: urlencoded, body: 'a=1' })
  t.equal(response.text(), '{"a":"other"}')
})

t.test('errors of schemas at the same time', async (t) => {
  const rejecting: StandardSchema = { '~standard': { version: 1, vendor: 'test', validate: () => Promise.reject(new Error('a')) } }
  const throwing: StandardSchema = { '~standard': { version: 1, vendor: 'test', validate: () => { throw new Error('b') } } }
  const handler = routes({ 'POST /:id': validated({ params: rejecting, query: throwing }, () => 'x'), 'PUT /:id': validated({ params: rejecting, body: seen([]) }, () => 'x') })
  const service = server.new({ logger: { debug() {}, info() {}, warn() {}, error() {} } }, handler)
  // A promise that is rejected without a handler would end the process.
  t.equal((await inject(service, { method: 'POST', path: '/1' })).status, 500)
  t.equal((await inject(service, { method: 'PUT', path: '/1', headers: { 'Content-Type': 'application/json' }, body: '{' })).status, 400)
})

t.test('types of forms', async (t) => {
  const form = seen([]) as unknown as StandardSchema<unknown, { title: string, file: File }>
  const body = seen([]) as unknown as StandardSchema<unknown, { title: number }>
  const handler = routes({
    'POST /form': validated({ form }, ({ body }) => body.title.toUpperCase() + body.file.name),
    'POST /both': validated({ form, body }, ({ body: { title } }) => typeof title === 'string' ? title.toUpperCase() : title.toFixed()),
    'POST /none': validated({}, ({ body }) => String(body?.readUInt8(0))),
  })
  t.type(handler, 'function')
  // @ts-expect-error either is possible
  routes({ 'POST /both': validated({ form, body }, ({ body }) => body.title.toUpperCase()) })
})
