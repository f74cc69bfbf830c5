import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Handler } from '../../../lib/index.js'
import { request, serve } from '../../support/serving.js'
import { virtually, type World } from '../../support/virtual.js'

const multipart = { 'Content-Type': 'multipart/form-data; boundary="b"' }
const urlencoded = { 'Content-Type': 'application/x-www-form-urlencoded' }

/** A form of these parts, each its header lines and its content, in latin1. */
function form(...parts: (readonly [head: string, content: string])[]): string {
  return `${parts.map(([head, content]) => `--b\r\n${head}\r\n\r\n${content}\r\n`).join('')}--b--\r\n`
}

/** UTF-8, in latin1. */
function utf8(text: string): string {
  return Buffer.from(text).toString('latin1')
}

/** Tells of all of a form, read as a whole or, at /parts, part by part. */
const tell: Handler = function* (_method, query, _args, _headers, _body, ctx) {
  const told: unknown[] = []
  if (query === '/parts') {
    const parts = ctx.body.parts()
    for (let part = yield* parts.next(); part !== null; part = yield* parts.next()) {
      const { name, filename, type, headers } = part
      told.push(filename === null ? [name, yield* part.text()] : [name, filename, type, headers['x-part'] ?? null, (yield* part.bytes()).toString('latin1')])
    }
  } else {
    const { fields, files } = yield* ctx.body.form()
    for (const [name, values] of Object.entries(fields)) for (const value of [values].flat()) told.push([name, value])
    for (const { name, filename, type, headers, bytes } of files) told.push([name, filename, type, headers['x-part'] ?? null, bytes.toString('latin1')])
  }
  return JSON.stringify(told)
}

const settings = [{}, { buffer_body: false }]
const disposition = 'Content-Disposition: form-data; name="a"'
const malformed = 'Bad Request: malformed form\n'

t.test('parts of a form: names, files, bytes, headers, charsets', async (t) => {
  const cases: [body: string, status: number, told: unknown][] = [
    [form([disposition, '1']), 200, [['a', '1']]],
    [form([`${utf8('Content-Disposition: form-data; name="ü%22\\x%0D%0A"')}`, utf8('ü')]), 200, [['ü"\\x\r\n', 'ü']]],
    [form([`${disposition}; filename="c:\\d\\%22e%22.txt"`, 'x']), 200, [['a', 'c:\\d\\"e".txt', 'text/plain', null, 'x']]],
    [form([`${disposition}; filename="../x"\r\nContent-Type: image/png;q=1\r\nX-Part: ${utf8('ü')}`, '\xff\0']), 200, [['a', 'x', 'image/png', 'ü', '\xff\0']]],
    [form([`${disposition}\r\nContent-Type: image/png`, '\xff\xfe']), 200, [['a', '', 'image/png', null, '\xff\xfe']]],
    [form([`${disposition}\r\nContent-Type: application/octet-stream`, '']), 200, [['a', '', 'application/octet-stream', null, '']]],
    [form([`${disposition}\r\nContent-Type: application/json`, '{}']), 200, [['a', '{}']]],
    [form([`${disposition}\r\nContent-Type: text/plain; charset=utf-8`, utf8('ü')]), 200, [['a', 'ü']]],
    [form([`${disposition}\r\nContent-Type: text/plain; charset=iso-8859-1`, '\xfc']), 200, [['a', 'ü']]],
    [form([`${disposition}\r\nContent-Type: text/plain; charset=klingon`, 'x']), 415, 'Unsupported Media Type: unsupported charset\n'],
    [form([disposition, '\xfc']), 400, 'Bad Request: the text is not utf-8\n'],
    [form(['Content-Disposition: form-data; name="\xfc"', 'x']), 400, malformed],
    [form([disposition, '1'], ['Content-Type: text/plain', 'x']), 400, malformed],
    [form(['', 'x'], [disposition, '1']), 400, malformed],
    [form(['Content-Disposition: attachment; name="a"', 'x']), 400, malformed],
    [form(['Content-Disposition: form-data; filename="a"', 'x']), 400, malformed],
    [form([`${disposition}\r\n${disposition}`, 'x']), 400, malformed],
    [form([`${disposition}\r\nX-Part: ${'x'.repeat(9000)}`, 'x']), 413, 'Content Too Large: form header line limit violation: 8193\n'],
    ['--b--', 200, []],
    [form(), 200, []],
  ]
  for (const one of settings) {
    for (const segment of [1, 100, 65_536]) {
      await virtually(one, tell, function* ({ connect, log }: World) {
        for (const [body, status, told] of cases) {
          if (segment === 1 && body.length > 1000) continue
          for (const path of ['/', '/parts']) {
            const client = yield* connect(request(`POST ${path}`, multipart, body))
            const [response] = yield* client.responses(1)
            const text = response.body.toString()
            t.strictSame([response.status, status === 200 ? JSON.parse(text) : text], [status, told], `${path} ${JSON.stringify(body.slice(0, 100))}, pieces of ${segment}`)
          }
        }
        t.strictSame(log.of('error'), [])
      }, { segment })
    }
  }
})

t.test('urlencoded forms: text in their charset, or an error', async (t) => {
  const latin1 = { 'Content-Type': 'application/x-www-form-urlencoded; charset=ISO-8859-1' }
  const cases: [headers: Record<string, string>, body: string, status: number, told: unknown][] = [
    [urlencoded, 'a=%C3%BC+x&b&&=c', 200, [['a', 'ü x'], ['b', ''], ['', 'c']]],
    [urlencoded, utf8('ü=%41ü'), 200, [['ü', 'Aü']]],
    [urlencoded, 'a=%EF%BB%BFx', 200, [['a', '\ufeffx']]],
    [urlencoded, 'a=100%&b=%4', 200, [['a', '100%'], ['b', '%4']]],
    [urlencoded, 'a=%FC', 400, 'Bad Request: the text is not utf-8\n'],
    [urlencoded, '%FC=a', 400, 'Bad Request: the text is not utf-8\n'],
    [urlencoded, 'a=\xfc', 400, 'Bad Request: the text is not utf-8\n'],
    [latin1, 'a=%FC\xfc%80', 200, [['a', 'üü€']]],
    [{ 'Content-Type': 'application/x-www-form-urlencoded; charset=klingon' }, 'a=1', 415, 'Unsupported Media Type: unsupported charset\n'],
    [urlencoded, '', 200, []],
  ]
  for (const one of settings) {
    for (const segment of [1, 65_536]) {
      await virtually(one, tell, function* ({ connect, log }: World) {
        for (const [headers, body, status, told] of cases) {
          const client = yield* connect(request('POST /', headers, body))
          const [response] = yield* client.responses(1)
          const text = response.body.toString()
          t.strictSame([response.status, status === 200 ? JSON.parse(text) : text], [status, told], JSON.stringify(body))
        }
        t.strictSame(log.of('error'), [])
      }, { segment })
    }
  }
})

t.test('a form is read up to its limit: what is beyond that is not waited for', async (t) => {
  const bodies: [Record<string, string>, string][] = [
    [urlencoded, 'a&'.repeat(1001)], [multipart, form([disposition, '1']).slice(0, -7).repeat(1001)], [multipart, '--b\r\nno header\r\n'],
  ]
  await virtually({ buffer_body: false }, tell, function* ({ connect }: World) {
    for (const [headers, body] of bodies) {
      const client = yield* connect(request('POST /', { ...headers, 'Content-Length': '5000000' }) + body)
      const began = lev.now()
      t.match((yield* client.responses(1))[0].status, /400|413/)
      t.ok(lev.now() - began < 1)
    }
  })
})

t.test('a large form leaves turns to others', async (t) => {
  let turns = 0
  const { ask } = await serve(t, {}, function* (_method, _query, _args, _headers, _body, ctx) {
    turns = 0
    const other = lev.spawn(function* () {
      for (;;) {
        turns++
        yield* lev.yieldNow()
      }
    })
    const { fields } = yield* ctx.body.form()
    other.cancel()
    return String(fields.a.length)
  })
  t.equal((await ask(request('POST /', urlencoded, `a=${'x'.repeat(3_000_000)}`))).body.toString(), '3000000')
  t.ok(turns > 20, `one long field: ${turns} turns`)
  t.equal((await ask(request('POST /', multipart, form(...Array.from({ length: 1000 }, () => [disposition, '1'] as const))))).body.toString(), '1000')
  t.ok(turns > 20, `many parts: ${turns} turns`)
})
