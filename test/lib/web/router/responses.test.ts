import t from 'tap'
import { HttpError, json, problem, redirect } from '../../../../lib/web/router/index.js'

t.test('json', async (t) => {
  t.strictSame(json({ a: [1, null], b: 'é' }), ['{"a":[1,null],"b":"é"}', 200, { 'Content-Type': 'application/json' }])
  t.strictSame(json(null, 201, { A: '1' }), ['null', 201, { 'Content-Type': 'application/json', 'A': '1' }])
  t.strictSame(json('', 200, { 'Content-Type': 'application/geo+json' })[2], { 'Content-Type': 'application/geo+json' })
  for (const value of [undefined, () => {}, Symbol('a')]) t.throws(() => json(value), { code: 'LEVERET_ARGUMENT', argument: 'value' } as never)
  t.throws(() => json(1n), TypeError)
})

t.test('problem', async (t) => {
  const type = { 'Content-Type': 'application/problem+json' }
  t.strictSame(problem({ status: 404 }), ['{"title":"Not Found","status":404}', 404, type])
  t.strictSame(problem({ status: 404, title: null, detail: null, type: undefined }), problem({ status: 404 }))
  t.strictSame(problem({ status: 403, type: 'https://a.test/credit', title: 'No credit', detail: 'It is 30', instance: '/a/1', balance: 30 }, { A: '1' }), [
    '{"type":"https://a.test/credit","title":"No credit","status":403,"detail":"It is 30","instance":"/a/1","balance":30}', 403, { ...type, A: '1' },
  ])
})

t.test('redirect', async (t) => {
  t.strictSame(redirect('/a'), [null, 302, { Location: '/a' }])
  t.strictSame(redirect('https://a.test/?q=%20#x', 308, { A: 1 }), [null, 308, { Location: 'https://a.test/?q=%20#x', A: 1 }])
  for (const [given, sent] of [['/a b', '/a%20b'], ['/é€', '/%C3%A9%E2%82%AC'], ['/a\r\nSet-Cookie: b', '/a%0D%0ASet-Cookie:%20b'], ['/\ud800', '/%EF%BF%BD'], ['/\0', '/%00']]) {
    t.strictSame(redirect(given)[2], { Location: sent })
  }
})

t.test('HttpError', async (t) => {
  const cause = new Error('x')
  const error = new HttpError(409, 'a conflict', { A: '1' }, { cause })
  t.match({ ...error, name: error.name, message: error.message, cause: error.cause }, { code: 'LEVERET_HTTP', status: 409, headers: { A: '1' }, name: 'HttpError', message: 'a conflict', cause })
  for (const status of [200, 304, 399, 600, 404.5, NaN, '404' as never]) t.throws(() => new HttpError(status), { code: 'LEVERET_ARGUMENT', argument: 'status' } as never)
})
