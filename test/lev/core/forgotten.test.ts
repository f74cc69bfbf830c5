// What a program is told of operations that it makes and never runs, with NODE_ENV=development and without.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { projectRoot } from '../../house-rules.js'

const root = projectRoot(import.meta.dirname)

/** Runs a program, and gives what it prints on stderr. */
async function told(program: string, environment: 'development' | 'production'): Promise<string> {
  const source = `import * as lev from 'leveret/lev'\nimport * as server from 'leveret'\n${program}`
  const args = ['--expose-gc', '--input-type=module', '--eval', source]
  const { stderr } = await promisify(execFile)(process.execPath, args, { cwd: root, env: { ...process.env, NODE_ENV: environment } })
  return stderr
}

const inside = (body: string): string => `await lev.run(function* () {\n${body}\n}, { driver: lev.memory() })`

const forgetful: [what: string, program: string][] = [
  ['a statement', inside('lev.sleep(1)')],
  ['outside of every task', 'lev.sleep(1)'],
  ['an if', inside('if (lev.channel(1).receive()) console.log("always")')],
  ['a kept one', inside('const op = lev.yieldNow()\nyield* lev.sleep(1)')],
  ['one around another', inside('lev.timeout(1, (function* () {})())')],
  ['a scope', inside('lev.scope(function* () {})')],
  ['a send', inside('lev.channel(1).send(1)')],
  ['a join', inside('lev.spawn(function* () {}).join()')],
  ['a write', inside('const [left] = lev.pipe()\nleft.write("x")')],
  ['one that is given to another', inside('lev.shield(lev.timeout(1, lev.sleep(1)))')],
  ['a close that lingers', inside('const [left] = lev.pipe()\nleft.linger(1, 1)')],
  ['one that could be awaited', `
    const { inject } = await import('leveret/testing')
    await inject(server.new({ log_level: 'error' }, (method, query, args, headers, body, ctx) => {
      ctx.body.json()
      return ''
    }), { path: '/' })`],
  ['a request', inside('server.request("http://127.0.0.1:1/")')],
]

for (const [what, program] of forgetful) {
  t.test(`forgotten: ${what}`, async (t) => {
    const text = await told(program, 'development')
    t.equal(text.match(/an operation was made and never run/g)?.length, 1, text)
    t.match(text, /\[eval1\]:\d+/, 'it says where')
    t.equal(await told(program, 'production'), '')
  })
}

t.test('it is told as soon as the operation is collected', async (t) => {
  const text = await told(`
    function forget() { lev.sleep(1) }
    forget()
    for (let i = 0; i < 20; i++) {
      gc()
      await new Promise((resolve) => setImmediate(resolve))
    }
    console.error('the end')`, 'development')
  t.match(text, /never run[^]*the end\n$/)
})

/** A server on a connection that stays open, and a handler that is called three times; then "the end" is printed. */
const serving = (handler: string, calls = 3): string => `
  await lev.run(function* () {
    const service = server.new({ log_level: 'error' }, ${handler})
    const [client, peer] = lev.pipe()
    lev.spawn(function* () {
      for (let count = 1; count <= ${calls}; count++) yield* service.process_request(peer, '', count)
      yield* lev.sleep(1)
      console.error('the end')
    })
    for (let count = 0; count < ${calls}; count++) {
      yield* client.write('GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n')
      yield* client.read()
    }
  }, { driver: lev.memory() })`

const handlers: readonly [what: string, handler: string, reports: number][] = [
  ['a coroutine', "function* () {\nlev.sleep(1)\nreturn 'x'\n}", 1],
  ['a plain function', "() => {\nlev.sleep(1)\nreturn 'x'\n}", 1],
  ['an async function', "async () => {\nlev.sleep(1)\nreturn 'x'\n}", 1],
  ['a coroutine that throws', "function* () {\nlev.sleep(1)\nthrow new server.HttpError(404)\n}", 1],
  ['two places', "function* () {\nlev.sleep(1)\nlev.yieldNow()\nreturn 'x'\n}", 2],
  ['a task', "function* () {\nlev.spawn(function* () {\nlev.sleep(1)\n})\nreturn 'x'\n}", 1],
  ['none: a result that is an operation', '(m, q, a, h, b, ctx) => ctx.body.text()', 0],
  ['none: a coroutine whose result is an operation', 'function* (m, q, a, h, b, ctx) {\nreturn ctx.body.text()\n}', 0],
  ['none: a task that runs it later', "function* (m, q, a, h, b, ctx) {\nconst op = lev.sleep(0.5)\nctx.detach(() => op)\nreturn 'x'\n}", 0],
  ['none: one that is awaited', "async () => {\nawait lev.sleep(0.001)\nreturn 'x'\n}", 0],
]

for (const [what, handler, reports] of handlers) {
  t.test(`in a handler it is told with the end of the request, once for each place: ${what}`, async (t) => {
    const text = await told(serving(handler), 'development')
    t.equal(text.match(/an operation was made and never run/g)?.length ?? 0, reports, text)
    t.match(text, /the end\n$/, 'before the end of the process')
  })
}

t.test('an operation that is awaited is not reported', async (t) => {
  t.equal(await told(`
    const { inject } = await import('leveret/testing')
    const service = server.new({ log_level: 'error', buffer_body: false }, async (method, query, args, headers, body, ctx) => await ctx.body.text())
    console.assert((await inject(service, { path: '/', method: 'POST', body: 'text' })).text() === 'text')`, 'development'), '')
})

t.test('an operation that is run, or given to another one, is not reported', async (t) => {
  const program = inside(`
    yield* lev.sleep(1)
    const kept = lev.sleep(1)
    yield* kept
    yield* lev.timeout(5, lev.sleep(1))
    yield* lev.shield(lev.sleep(1))
    const seats = lev.semaphore(1)
    const orders = lev.channel(1)
    const [left, right] = lev.pipe()
    yield* lev.scope(function* (scope) {
      scope.spawn(() => seats.with(lev.sleep(9)))
      const waiting = scope.spawn(() => seats.with(lev.sleep(9)))
      const late = scope.spawn(() => lev.sleep(9))
      late.cancel()
      yield* lev.sleep(1)
      waiting.cancel()
      for (const make of [
        () => lev.timeout(5, lev.sleep(9)), () => lev.shield(lev.sleep(9)), () => lev.within((run) => run(), lev.sleep(9)),
        () => seats.with(lev.timeout(5, lev.sleep(9))),
      ]) scope.spawn(make).cancel()
      yield* orders.send(1)
      yield* orders.receive()
      yield* left.write('hello')
      yield* right.read()
    })
    try { yield* lev.timeout(1, seats.with(lev.sleep(60))) } catch {}
    yield* lev.wait(Promise.resolve(1))
    lev.sleep(1).return()`)
  t.equal(await told(program, 'development'), '')
})
