import { createHash } from 'node:crypto'
import t from 'tap'
import * as server from '../../../../lib/index.js'
import type { Handler } from '../../../../lib/index.js'
import { documentation, openapi } from '../../../../lib/web/openapi/index.js'
import { group, limited, routes, validated, type Wrapper } from '../../../../lib/web/router/index.js'
import { inject } from '../../../../testing/index.js'
import { keptLog } from '../../../support/kept-log.js'

const info = { title: '</script><b>x', version: '1' }
const plain = (): string => 'x'

function serviceOf(handler: Handler): server.Server {
  return server.new({ logger: keptLog() }, handler)
}

t.test('the document of the table that its routes are in', async (t) => {
  const handler = routes({ 'GET /a': validated({ summary: 'A' }, plain), ...documentation({ info }), 'GET /b': limited({}, plain) })
  const service = serviceOf(handler)
  const response = await inject(service, { path: '/openapi.json' })
  t.equal(response.headers['content-type'], 'application/json')
  t.strictSame(response.json(), openapi(handler, { info }))
  t.strictSame(Object.keys((response.json() as { paths: object }).paths), ['/a', '/b'], 'without the routes of the document')
  t.equal((await inject(service, { path: '/openapi.json', method: 'HEAD' })).status, 200)
  t.equal((await inject(service, { path: '/docs', method: 'POST' })).status, 405)
})

t.test('a page that allows only itself', async (t) => {
  const servers = [{ url: 'https://api.test/v1; script-src *' }, { url: '/v2' }, { url: 'https://{host}.test' }, { url: 'https://a;script-src' }, { url: 'http://b.test:81' }, { url: 'javascript:x' }]
  const { headers, ...page } = await inject(serviceOf(routes(documentation({ info, servers }))), { path: '/docs' })
  const text = page.text()
  const hashes = Array.from(text.matchAll(/<(?:script|style)>(.*?)<\/(?:script|style)>/gs), ([, inner = '']) => `'sha256-${createHash('sha256').update(inner).digest('base64')}'`)
  t.equal(hashes.length, 2)
  const policy = Object.fromEntries((headers['content-security-policy'] ?? '').split('; ').map((one) => [one.split(' ')[0], one.split(' ').slice(1)]))
  t.strictSame(policy, {
    'default-src': [`'none'`], 'style-src': [hashes[0]], 'script-src': [hashes[1]], 'connect-src': [`'self'`, 'https://api.test', 'http://b.test:81'],
    'base-uri': [`'none'`], 'form-action': [`'none'`], 'frame-ancestors': [`'none'`],
  })
  t.match(headers, { 'content-type': 'text/html; charset=utf-8', 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' })
  t.notMatch(text, /https?:|innerHTML|<b>x/, 'nothing from elsewhere, and nothing of the document')
})

t.test('in a group it has its prefix and its wrappers', async (t) => {
  const closed: Wrapper = () => () => ['closed', 403]
  const service = serviceOf(routes({ ...group('/internal', [closed], documentation({ info })), 'GET /a': plain }))
  t.equal((await inject(service, { path: '/internal/openapi.json' })).status, 403)
  t.equal((await inject(service, { path: '/openapi.json' })).status, 404)
})

t.test('what is wrong is told before the service starts', async (t) => {
  t.throws(() => documentation({ info: { title: 'x', version: 1 } } as never), { code: 'LEVERET_ARGUMENT', message: /info.version/ })
  t.throws(() => documentation({ info, path: '/x' } as never), { code: 'LEVERET_ARGUMENT', message: /path/ })
  const docs = documentation({ info })
  t.throws(() => routes({ 'GET /': validated({ security: [{ token: [] }] }, plain), ...docs }), { code: 'LEVERET_ARGUMENT', message: /security/ })
  routes(docs)
  t.throws(() => routes(docs), { message: /in another table already/ })
  t.throws(() => documentation({ info })['GET /openapi.json']({} as never), { message: /belong in the table/ })
})
