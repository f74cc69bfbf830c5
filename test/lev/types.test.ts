// Checked by the compiler: types flow through `yield*` into programs that name none and cast nothing.
import t from 'tap'
import * as lev from '../../lev/index.js'
import type { Op, Stream, Task } from '../../lev/index.js'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Compiles only if `Actual` is exactly `Expected`. */
function is<Expected>() {
  return <Actual>(_value: Actual, ..._same: Same<Actual, Expected> extends true ? [] : [never]): void => {}
}

function* fortyTwo(): Op<number> {
  yield* lev.sleep(0)
  return 42
}

/** What users write: no annotations. */
function* unannotated() {
  const number = yield* fortyTwo()
  is<number>()(number)
  const waited = yield* lev.wait(Promise.resolve({ rows: ['a'] }))
  is<{ rows: string[] }>()(waited)
  yield* lev.sleep(0)
  return { number, first: waited.rows[0] }
}

function* withoutSuspension() {
  return 'plain'
}

function* endless() {
  for (;;) yield* lev.sleep(Infinity)
}

function* program() {
  is<{ number: number; first: string }>()(yield* unannotated())
  is<string>()(yield* withoutSuspension())

  is<number>()(yield* lev.timeout(1, fortyTwo()))
  is<number>()(yield* lev.shield(fortyTwo()))
  is<number>()(yield* lev.shield(fortyTwo(), 5))
  is<{ number: number; first: string }>()(yield* lev.timeout(1, lev.timeout(1, unannotated())))
  is<string>()(yield* lev.timeout(1, withoutSuspension()))

  const task = lev.spawn(unannotated)
  is<Task<{ number: number; first: string }>>()(task)
  is<{ number: number; first: string }>()(yield* task.join())
  const inline = lev.spawn(function* () {
    return [yield* fortyTwo(), 'x'] as const
  })
  is<readonly [number, 'x']>()(yield* inline.join())
  is<string>()(yield* lev.spawn(() => lev.wait(Promise.resolve('x'))).join())
  const { outcome } = task
  if (outcome?.kind === 'value') is<number>()(outcome.value.number)
  if (outcome?.kind === 'error') is<unknown>()(outcome.error)
  if (outcome?.kind === 'cancelled') is<lev.CancelReason>()(outcome.reason)

  const scoped = yield* lev.scope(function* (scope) {
    is<Task<number>>()(scope.spawn(fortyTwo))
    const pair = [scope.spawn(fortyTwo), scope.spawn(withoutSuspension)] as const
    return { a: yield* pair[0].join(), b: yield* pair[1].join() }
  })
  is<{ a: number; b: string }>()(scoped)
  const nested = lev.timeout(1, lev.scope(() => fortyTwo()))
  is<number>()(yield* nested)

  const listener = yield* lev.listen({ ip: '127.0.0.1', port: 0 })
  const { ip, port } = listener.address
  is<string>()(ip)
  is<number>()(port)
  if (listener.address.path === undefined) is<undefined>()(listener.address.path)
  else is<string>()(listener.address.path)
  const stream = yield* lev.connect(listener.address)
  is<string>()(stream.remote.ip)
  is<number>()(stream.remote.port)
  stream.close()
  listener.close()

  const channel = lev.channel<{ id: number }>(1)
  yield* channel.send({ id: 1 })
  is<{ id: number } | null>()(yield* channel.receive())
  is<{ id: number } | null>()(channel.tryReceive())
  is<boolean>()(channel.trySend({ id: 2 }))
  is<number>()(yield* lev.semaphore(1).with(fortyTwo()))
  const event = lev.event()
  event.set()
  is<void>()(yield* event.wait())

  is<string>()(yield* lev.suspend<string>((resume) => resume('x')))
  is<number>()(yield* lev.suspend<number>((resume, fail) => {
    const timer = setTimeout(() => {
      resume(1)
      fail(new Error('too late'))
    }, 0)
    return () => clearTimeout(timer)
  }))
  is<number>()(lev.now())

  const [near, far] = lev.pipe()
  is<Stream>()(near)
  yield* near.write('text')
  yield* near.write(new Uint8Array(2))
  is<Buffer | null>()(yield* far.read())
  is<boolean>()(yield* lev.timeout(1, (function* () {
    near.put('x')
    return yield* far.fill()
  })()))

  const values: number[] = []
  for (const op of [fortyTwo(), fortyTwo()]) values.push(yield* op)
  return values
}

function* mistakes() {
  // @ts-expect-error: an operation is not its value
  const number: number = fortyTwo()
  // @ts-expect-error: a promise is waited for by lev.wait
  yield* Promise.resolve(1)
  // @ts-expect-error: seconds are a number
  yield* lev.sleep('1')
  // @ts-expect-error: the order of the arguments
  yield* lev.timeout(fortyTwo(), 1)
  // @ts-expect-error: a function is spawned, not an operation
  lev.spawn(fortyTwo())
  // @ts-expect-error: an async function is no coroutine
  lev.spawn(async () => 1)
  // @ts-expect-error: a channel carries one type
  yield* lev.channel<string>().send(1)
  // @ts-expect-error: resume takes what the suspension gives
  yield* lev.suspend<string>((resume) => resume(1))
  return number
}

t.test('types flow through yield*', async (t) => {
  const value: Promise<number[]> = lev.run(program)
  t.same(await value, [42, 42])
  t.equal(await lev.run(fortyTwo, { driver: lev.memory({ seed: 1, latency: [0, 0.1] }) }), 42)
  const op: Op<void> = endless()
  t.type(op.next, 'function')
  t.type(mistakes, 'function')
})
