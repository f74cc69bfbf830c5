// What is wrongly given to a function of lev: the message says what to write.
import t from 'tap'
import * as lev from 'leveret/lev'

const op = lev.sleep(0)
const promise = Promise.resolve(1)
const seats = lev.semaphore(1)
const wrong = <T>(value: unknown): T => value as T

const inside: [call: string, run: () => unknown, says: RegExp][] = [
  ['spawn(op)', () => lev.spawn(wrong(op)), /^spawn takes a function that.*write spawn\(\(\) => \.\.\.\)/],
  ['spawn(undefined)', () => lev.spawn(wrong(undefined)), /^spawn takes a function that.*got undefined/],
  ['spawn(async)', () => lev.spawn(wrong(async () => {})), /lev\.wait\(promise\)/],
  ['background(op)', () => lev.background(wrong(op)), /^background takes a function that/],
  ['scope(op)', () => lev.scope(wrong(op)), /^scope takes a function that/],
  ['timeout(1, function)', () => lev.timeout(1, wrong(() => op)), /^timeout takes an operation, got a function/],
  ['timeout(1, promise)', () => lev.timeout(1, wrong(promise)), /^timeout takes an operation, got a promise: write wait\(promise\)/],
  ['timeout(op, 1)', () => lev.timeout(wrong(op), wrong(1)), /^timeout: seconds must be a number/],
  ['shield(function)', () => lev.shield(wrong(() => op)), /^shield takes an operation, got a function/],
  ['shield(1, op)', () => lev.shield(wrong(1), wrong(op)), /^shield takes an operation, got number/],
  ['with(sleep)', () => seats.with(wrong(lev.sleep)), /^semaphore\.with takes an operation, got a function/],
  ['with(null)', () => seats.with(wrong(null)), /^semaphore\.with takes an operation, got null/],
  ['within(call, function)', () => lev.within((run) => run(), wrong(() => op)), /^within takes an operation/],
  ['wait(op)', () => lev.wait(wrong<typeof promise>(op)), /^wait takes a promise, got an operation: write yield\*/],
  ['wait(function)', () => lev.wait(wrong<typeof promise>(() => promise)), /^wait takes a promise, got a function: give what it returns/],
]

for (const [call, run, says] of inside) {
  t.test(call, async (t) => {
    const failed = lev.run(function* () {
      const given = run()
      return yield* given as lev.Op<unknown>
    })
    await t.rejects(failed, { message: says })
    t.equal(seats.available, 1)
  })
}

t.test('run and a portal reject what is no function', async (t) => {
  for (const run of [lev.run, lev.portal().run]) {
    await t.rejects(run(wrong(op)), { name: 'UsageError', message: /^run takes a function that.*write run\(\(\) => \.\.\.\)/ })
    await t.rejects(run(wrong(async () => 1)), { name: 'UsageError', message: /lev\.wait\(promise\)/ })
  }
})

t.test('an operation that run is given for its value was forgotten', async (t) => {
  await t.rejects(lev.run(function* () { return lev.sleep(1) }), { name: 'UsageError', message: /write return yield\*/ })
})

t.test('an iterator that is no generator is a value as any other', async (t) => {
  for (const value of [[7].values(), new Set([7]).values()]) {
    t.equal(await lev.run(function* () { return value }), value)
    t.equal(await lev.run(() => lev.wait(wrong<typeof promise>(value))), value)
  }
})

t.test('a thenable of any kind can be waited for', async (t) => {
  const callable = Object.assign(() => {}, { then: (done: (value: number) => void) => done(7) })
  t.equal(await lev.run(() => lev.wait(callable as unknown as PromiseLike<number>)), 7)
})

t.test('a value that throws at any look is a value like any other', async (t) => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  await t.rejects(lev.run(function* () { return proxy }), { name: 'TypeError' }, 'no promise can be resolved with it')
  await t.rejects(lev.run(() => lev.wait(wrong<typeof promise>(proxy))), { name: 'TypeError' })
  await t.rejects(lev.run(() => lev.timeout(1, wrong(proxy))), { name: 'UsageError' })
  await t.rejects(lev.run(wrong(proxy)), { name: 'UsageError' })
})
