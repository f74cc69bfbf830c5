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
