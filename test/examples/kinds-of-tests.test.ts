// A small test of each kind, to start from. CONTRIBUTING.md shows them.
import fc from 'fast-check'
import t from 'tap'
import * as lev from '../../lev/index.js'
import { isAuthority } from '../../lib/http1/authority.js'
import { Browser, findChromium } from '../support/chromium.js'
import { isInstalled, proxies, startProxy } from '../support/proxies.js'
import { RawClient } from '../support/raw-client.js'
import { seed } from '../support/seed.js'
import { request, serve } from '../support/serving.js'
import { virtually } from '../support/virtual.js'

t.test('a table', async (t) => {
  const table: readonly [text: string, valid: boolean][] = [
    ['a.test', true],
    ['a.test:80', true],
    ['a.test:65536', false],
    ['a test', false],
  ]
  for (const [text, valid] of table) t.equal(isAuthority(text), valid, text)
})

t.test('a property', async () => {
  const port = fc.integer({ min: 0, max: 100_000 })
  fc.assert(fc.property(port, (port) => isAuthority(`a.test:${port}`) === port < 65_536), { seed, numRuns: 300 })
})

t.test('a real socket', async (t) => {
  const { ask, log } = await serve(t, {}, (method, query) => `${method} ${query}`)
  const { status, body } = await ask(request('GET /a'))
  t.equal(status, 200)
  t.equal(body.toString(), 'GET /a')
  t.strictSame(log.statuses(), [200])
})

t.test('the virtual network', () => virtually({ keepalive_idle_timeout: 15 }, () => 'hello', function* (world) {
  const client = yield* world.connect(request('GET /'))
  const [{ body }] = yield* client.responses(1)
  t.equal(body.toString(), 'hello')
  const responded = lev.now()
  while (yield* client.more());
  t.equal(client.ending, 'end')
  t.ok(lev.now() - responded >= 15, 'an idle connection was kept for as long as its client was told')
}))

for (const proxy of proxies) {
  const skip = isInstalled(proxy) ? false : `${proxy.program} is not installed`
  t.test(`behind ${proxy.name}`, { skip }, async (t) => {
    const { port } = await serve(t, {}, (_method, query) => query)
    const client = await RawClient.connect(await startProxy(t, proxy, port), request('GET /a'))
    const [{ body }] = await client.responses(1)
    t.equal(body.toString(), '/a')
    client.close()
  })
}

const chromium = findChromium()
const page = '<!doctype html><script>fetch("/seen", { method: "POST", body: document.compatMode })</script>'

t.test('a browser', { skip: chromium === null ? 'Chromium is not installed' : false }, async (t) => {
  const seen = new Promise<string>((resolve) => {
    const served = serve(t, {}, (method, _query, _args, _headers, body) => {
      if (method === 'POST') resolve(String(body))
      return [page, 200, { 'Content-Type': 'text/html' }]
    })
    void served.then(({ port }) => {
      const browser = new Browser(chromium ?? '', `http://localhost:${port}/`)
      t.teardown(() => browser.close())
    })
  })
  t.equal(await seen, 'CSS1Compat')
})
