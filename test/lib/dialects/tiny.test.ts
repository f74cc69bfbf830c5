// The dialect of docs/contributing/dialects.md, as every dialect is tested: from outside, from a coroutine, and given what is wrong.
import t from 'tap'
import * as lev from '../../../lev/index.js'
import { listen, type TinyHandler } from './tiny.js'

const quiet = { log_level: 'error' } as const

const handlers: [kind: string, handler: TinyHandler][] = [
  ['plain', ({ verb, path, text }) => `${verb} ${path} ${text}`],
  ['generator', function* ({ verb, path, text }) {
    yield* lev.sleep(0)
    return { statusCode: 200, body: `${verb} ${path} ${text}` }
  }],
  ['async', async ({ verb, path, text }) => Buffer.from(`${verb} ${path} ${text}`)],
]

for (const [kind, handler] of handlers) {
  t.test(`a ${kind} handler`, async (t) => {
    const server = await listen(0, handler, quiet)
    t.teardown(() => server.close())
    const response = await fetch(`http://127.0.0.1:${server.number}/here`, { method: 'POST', body: 'text' })
    t.equal(await response.text(), 'POST /here text')
  })
}

t.test('in a coroutine it is an operation; the server ends with the run, and that is no failure', async (t) => {
  const printed = t.capture(console, 'error')
  const number = await lev.run(function* () {
    const server = yield* listen(0, () => 'x', quiet)
    const client = yield* lev.connect({ ip: '127.0.0.1', port: server.number })
    yield* client.write('GET / HTTP/1.0\r\n\r\n')
    t.match(String(yield* client.read()), /^HTTP\/1\.1 200 OK/)
    client.close()
    return server.number
  })
  await t.rejects(fetch(`http://127.0.0.1:${number}/`))
  t.strictSame(printed(), [])
})

t.test('an unknown field of a response is a 500', async (t) => {
  const lines: unknown[] = []
  const logger = { debug() {}, info() {}, warn() {}, error: (...line: unknown[]) => lines.push(line) }
  const server = await listen(0, () => ({ status: 200 }), { logger })
  t.teardown(() => server.close())
  t.equal((await fetch(`http://127.0.0.1:${server.number}/`)).status, 500)
  t.match(String(JSON.stringify(lines, (_key, value: unknown) => value instanceof Error ? value.message : value)), /did you mean statusCode\?/)
})

t.test('errors name what the user wrote', async (t) => {
  t.throws(() => listen(-1, () => 'x'), { code: 'LEVERET_CONFIG', message: /^number/ })
  t.throws(() => listen(0, () => 'x', { port: 5 }), { code: 'LEVERET_CONFIG', message: /number/ })
})
