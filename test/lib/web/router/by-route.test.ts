import t from 'tap'
import { byRoute, routes } from '../../../../lib/web/router/index.js'
import { request } from '../../../support/serving.js'
import { virtually } from '../../../support/virtual.js'

t.test('a value for each route', async (t) => {
  const limit = byRoute({ 'POST /a/:id': 1, '/a/*': 2, 'GET /b': 3 }, 4)
  for (const [line, value] of [['POST /a/7', 1], ['PUT /a/7', 2], ['POST /a/7/8', 2], ['GET /b', 3], ['HEAD /b', 3], ['POST /b', 4], ['GET /', 4], ['GET /b/%', 4], ['OPTIONS *', 4]] as const) {
    const [method, path] = line.split(' ')
    t.equal(limit(method, path), value, line)
  }
  t.throws(() => byRoute({ 'GET b': 1 }, 2), { code: 'LEVERET_ARGUMENT', message: /neither/ })
  t.throws(() => byRoute({ 'GET /:a': 1, 'GET /:b': 1 }, 2), { code: 'LEVERET_ARGUMENT', message: /already declared/ })
})

t.test('as settings', async (t) => {
  const config = { max_body_size: byRoute({ 'POST /large': 100 }, 10), buffer_body: byRoute({ 'POST /large': false }, true) }
  const handler = routes({
    'POST /large': ({ body }) => String(body),
    'POST /small': ({ body }) => String(body),
  })
  const statuses = await virtually(config, handler, function* ({ connect }) {
    const found: string[] = []
    for (const [path, size] of [['/large', 50], ['/large', 101], ['/small', 10], ['/small', 11]] as const) {
      const client = yield* connect(request(`POST ${path}`, {}, 'x'.repeat(size)))
      const [{ status, body }] = yield* client.responses(1)
      found.push(`${status} ${body.toString().slice(0, 17)}`)
    }
    return found
  })
  t.strictSame(statuses, ['200 null', '413 Content Too Large', '200 xxxxxxxxxx', '413 Content Too Large'])
})
