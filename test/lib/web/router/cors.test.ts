import { pino } from 'pino'
import t from 'tap'
import * as server from '../../../../lib/index.js'
import { ArgumentError, type Handler } from '../../../../lib/index.js'
import { inject } from '../../../../lib/web/inject/index.js'
import { cors, routes, withRequestId, type CorsOptions } from '../../../../lib/web/router/index.js'
import { request } from '../../../support/serving.js'
import { virtually } from '../../../support/virtual.js'
import { valueOf, type WireResponse } from '../../../support/responses.js'

function ask(handler: Handler, line: string, headers: Record<string, string>): Promise<WireResponse> {
  return virtually({ compression: { min_size: 0 } }, handler, function* ({ connect }) {
    const client = yield* connect(request(line, headers))
    return (yield* client.responses(1, [line.split(' ')[0]]))[0]
  })
}

/** The headers of a response that CORS is about. */
function sent(response: WireResponse): Record<string, string> {
  const names = ['allow-origin', 'allow-credentials', 'expose-headers', 'allow-methods', 'allow-headers', 'max-age']
  const found = [...names.map((name) => [name, valueOf(response, `access-control-${name}`)]), ['vary', valueOf(response, 'vary')]]
  return Object.fromEntries(found.filter(([, value]) => value !== undefined)) as Record<string, string>
}

const a = 'https://a.test'
const methods = 'GET, HEAD, POST, PUT, PATCH, DELETE'
const asked = 'Origin, Access-Control-Request-Headers'

const table: readonly [name: string, options: CorsOptions, origin: string | null, response: Record<string, string>, preflight: Record<string, string>][] = [
  ['an origin', { origins: [a] }, a,
    { 'allow-origin': a, vary: 'Origin' },
    { 'allow-origin': a, 'allow-methods': methods, 'allow-headers': 'x-a', 'max-age': '600', vary: asked }],
  ['another origin', { origins: [a] }, 'https://b.test', { vary: 'Origin' }, { vary: asked }],
  ['one that only begins alike', { origins: [a] }, `${a}.evil.test`, { vary: 'Origin' }, { vary: asked }],
  ['another port', { origins: [a] }, `${a}:8443`, { vary: 'Origin' }, { vary: asked }],
  ['an opaque origin', { origins: [a] }, 'null', { vary: 'Origin' }, { vary: asked }],
  ['credentials', { origins: [a], credentials: true, expose: ['X-Request-Id'] }, a,
    { 'allow-origin': a, 'allow-credentials': 'true', 'expose-headers': 'x-request-id', vary: 'Origin' },
    { 'allow-origin': a, 'allow-credentials': 'true', 'allow-methods': methods, 'allow-headers': 'x-a', 'max-age': '600', vary: asked }],
  ['all origins', { origins: '*' }, a,
    { 'allow-origin': '*' },
    { 'allow-origin': '*', 'allow-methods': methods, 'allow-headers': 'x-a', 'max-age': '600', vary: 'Access-Control-Request-Headers' }],
  ['methods and headers', { origins: [a], methods: ['GET', 'QUERY'], headers: ['X-B', 'x-c'], max_age: 0 }, a,
    { 'allow-origin': a, vary: 'Origin' },
    { 'allow-origin': a, 'allow-methods': 'GET, QUERY', 'allow-headers': 'x-b, x-c', 'max-age': '0', vary: 'Origin' }],
  ['no headers', { origins: '*', headers: [] }, a,
    { 'allow-origin': '*' },
    { 'allow-origin': '*', 'allow-methods': methods, 'max-age': '600' }],
]

t.test('responses', async (t) => {
  for (const [name, options, origin, response, preflight] of table) {
    const handler = cors(routes({ 'GET /': () => [Buffer.from('hello'), 200, {}] }), options)
    const headers: Record<string, string> = origin === null ? {} : { Origin: origin }
    const got = await ask(handler, 'GET /', headers)
    t.equal(got.body.toString(), 'hello', name)
    t.strictSame(sent(got), response, name)
    const asking = await ask(handler, 'OPTIONS /', { ...headers, 'Access-Control-Request-Method': 'GET', 'Access-Control-Request-Headers': 'x-a' })
    t.equal(asking.status, 204, name)
    t.strictSame(sent(asking), preflight, `${name}: preflight`)
  }
})

t.test('a response without a route has the headers, and OPTIONS that is no preflight has its route', async (t) => {
  const handler = cors(routes({ 'GET /': () => 'hello' }), { origins: [a] })
  t.match(await ask(handler, 'GET /nothing', { Origin: a }).then((got) => [got.status, valueOf(got, 'access-control-allow-origin')]), [404, a])
  for (const headers of [{ Origin: a }, { 'Access-Control-Request-Method': 'GET' }] as Record<string, string>[]) {
    t.equal(valueOf(await ask(handler, 'OPTIONS /', headers), 'allow'), 'GET, HEAD, OPTIONS')
  }
})

t.test('a page that is not asked for by another has no grant', async (t) => {
  t.strictSame(sent(await ask(cors(() => Buffer.from('hello'), { origins: [a] }), 'GET /', {})), { vary: 'Origin' })
})

t.test('Vary of the handler is kept, whatever its case', async (t) => {
  for (const headers of [{ Vary: 'Accept' }, { vary: 'Accept' }, { VARY: ['Accept'] }]) {
    const got = await ask(cors(() => [Buffer.from('hello'), 200, headers], { origins: [a] }), 'GET /', { Origin: a })
    t.match(valueOf(got, 'vary'), /^Accept, Origin$/)
  }
})

t.test('invalid options', async (t) => {
  const wrong: [options: unknown, key: string, message: RegExp][] = [
    [{}, 'origins', /origins must be/],
    [{ origins: a }, 'origins', /an array of origins, or "\*"/],
    [{ origins: [`${a}/`] }, 'origins[0]', /as browsers send it/],
    [{ origins: [a, 'https://A.test'] }, 'origins[1]', /as browsers send it/],
    [{ origins: ['https://a.test:443'] }, 'origins[0]', /as browsers send it/],
    [{ origins: ['http://a.test:80'] }, 'origins[0]', /as browsers send it/],
    [{ origins: ['a.test'] }, 'origins[0]', /as browsers send it/],
    [{ origins: ['https://*.a.test'] }, 'origins[0]', /as browsers send it/],
    [{ origins: ['*'] }, 'origins[0]', /as browsers send it/],
    [{ origins: ['null'] }, 'origins[0]', /as browsers send it/],
    [{ origins: ['https://é.test'] }, 'origins[0]', /as browsers send it/],
    [{ origins: '*', credentials: true }, 'credentials', /name the origins/],
    [{ origins: [a], methods: ['GET POST'] }, 'methods[0]', /a method/],
    [{ origins: [a], headers: 'x-a' }, 'headers', /names of headers/],
    [{ origins: [a], max_age: '600' }, 'max_age', /an integer/],
    [{ origins: [a], maxAge: 600 }, 'maxAge', /max_age/],
  ]
  for (const [options, argument, message] of wrong) {
    const error = t.throws(() => cors(() => 'hello', options as CorsOptions)) as ArgumentError
    t.ok(error instanceof ArgumentError)
    t.match(error, { argument, message })
  }
})

t.test('a request id is for the handler, the client and the log', async (t) => {
  const lines: { readonly request_id?: unknown }[] = []
  const logger = pino({ base: null, timestamp: false }, { write: (line: string) => void lines.push(JSON.parse(line) as object) })
  const service = server.new({ logger, log_level: 'access' }, withRequestId(routes({
    'GET /': ({ headers, ctx }) => {
      ctx.logger.info('by the handler')
      return headers['x-request-id'] ?? ''
    },
  })))
  const got = await inject(service, { path: '/', headers: { 'X-Request-Id': 'chosen' } })
  t.match(got.text(), /^[0-9a-f-]{36}$/)
  t.equal(got.headers['x-request-id'], got.text())
  t.strictSame(lines.map((line) => line.request_id), [got.text(), got.text()], 'the line of the handler and the access line')
  t.not((await inject(service, { path: '/' })).text(), got.text())
})
