import t from 'tap'
import { randomFrom } from '../../support/seed.js'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import { failure, virtual } from '../../../testing/virtual.js'
import { after, failAfter, ran } from '../../support/virtual-run.js'

t.test('a scope returns when all of its tasks are done', (t) => virtual(function* () {
  const seen: string[] = []
  const value = yield* lev.scope(function* (scope) {
    scope.spawn(function* () {
      yield* lev.sleep(1)
      lev.spawn(function* () {
        yield* lev.sleep(1)
        seen.push('grandchild')
      })
      seen.push('child')
    })
    t.equal(scope.size, 2)
    return 'value'
  })
  t.equal(value, 'value')
  t.same(seen, ['child', 'grandchild'])
  t.equal(lev.now(), 2)
}))

t.test('a task that fails cancels the others and its error comes out once', async (t) => {
  const seen: string[] = []
  function* careful(name: string): Op<void> {
    try {
      yield* lev.sleep(60)
    } finally {
      yield* lev.sleep(1)
      seen.push(`${name} at ${lev.now()}`)
    }
  }
  const { value, reported } = await ran(function* () {
    const error = yield* failure(lev.scope(function* () {
      lev.spawn(() => careful('child'))
      lev.spawn(() => failAfter(2, new Error('failed')))
      yield* careful('body')
    }))
    return [error, lev.now()]
  })
  t.match(value, [/failed/, 3])
  t.same(seen.sort(), ['body at 3', 'child at 3'])
  t.same(reported, [])
})

t.test('several errors become one', (t) => virtual(function* () {
  function* breaking(name: string): Op<void> {
    try {
      yield* lev.sleep(60)
    } finally {
      yield* failAfter(1, new Error(name))
    }
  }
  const error = yield* failure(lev.scope(function* () {
    lev.spawn(() => breaking('one'))
    lev.spawn(() => breaking('two'))
    yield* lev.sleep(1)
    throw new Error('three')
  }))
  t.type(error, AggregateError)
  const [first, ...others] = (error as AggregateError).errors.map((each: Error) => each.message)
  t.equal(first, 'three', 'the one that cancelled the others')
  t.same(others.sort(), ['one', 'two'], 'siblings are cancelled in no particular order')
}))

t.test('an error goes to those who join, else to the scope', async (t) => {
  const joined = await ran(function* () {
    const task = lev.spawn(() => failAfter(1, new Error('for the joiners')))
    const first = lev.spawn(() => failure(task.join()))
    const second = lev.spawn(() => failure(task.join()))
    return [yield* first.join(), yield* second.join(), yield* failure(task.join())]
  })
  t.match([joined.value, joined.error, joined.reported], [[/joiners/, /joiners/, /joiners/], undefined, []])

  const late = await ran(function* () {
    const task = lev.spawn(() => failAfter(1, new Error('unjoined')))
    yield* lev.sleep(2)
    yield* failure(task.join())
  })
  t.match([late.error, late.reported], [/unjoined/, []], 'a joiner that comes too late has been cancelled')

  const gone = await ran(function* () {
    const task = lev.spawn(() => failAfter(2, new Error('unjoined')))
    const joiner = lev.spawn(() => failure(task.join()))
    yield* lev.sleep(1)
    joiner.cancel()
  })
  t.match([gone.error, gone.reported], [/unjoined/, []], 'the joiner was cancelled before')
})

t.test('waiting by done() is not joining: the error goes to the scope', async (t) => {
  const error = new Error('only waited for')
  const waiting: Readonly<Record<string, (task: lev.Task<never>) => Op<unknown>>> = {
    'the body waits': (task) => task.done(),
    'under a timeout': (task) => lev.timeout(60, task.done()),
    'a sibling waits': (task) => lev.spawn(() => task.done()).join(),
    'another scope waits': (task) => lev.scope(() => task.done()),
    'two wait': function* (task) {
      lev.spawn(() => task.done())
      yield* task.done()
    },
    'nothing else happens': function* () {},
  }
  for (const [name, wait] of Object.entries(waiting)) {
    const outcome = await ran(function* () {
      yield* wait(lev.spawn(() => failAfter(1, error)))
    })
    t.equal(outcome.error, error, name)
    t.same(outcome.reported, [], name)
  }

  const joined = await ran(function* () {
    const task = lev.spawn(() => failAfter(1, error))
    const waiter = lev.spawn(() => task.done())
    const caught = yield* failure(task.join())
    yield* waiter.join()
    return caught
  })
  t.match([joined.value, joined.error, joined.reported], [error, undefined, []], 'another task joins')

  const gone = await ran(function* () {
    const task = lev.spawn(() => failAfter(2, error))
    const joiner = lev.spawn(() => task.join())
    const waiter = lev.spawn(() => task.done())
    yield* lev.sleep(1)
    joiner.cancel()
    yield* waiter.done()
  })
  t.match([gone.error, gone.reported], [error, []], 'who had joined is gone')
})

t.test('an error that its joiner does not catch goes on from there', async (t) => {
  const { error, reported } = await ran(function* () {
    const task = lev.spawn(() => failAfter(1, new Error('once')))
    lev.spawn(() => task.join())
    yield* lev.sleep(60)
  })
  t.match([error, reported], [/once/, []])
  t.notOk(error instanceof AggregateError)
})

t.test('errors are kept when the scope is cancelled meanwhile', async (t) => {
  const { error, reported } = await ran(function* () {
    const task = lev.spawn(() => lev.scope(function* () {
      lev.spawn(() => failAfter(1, new Error('first')))
      try {
        yield* lev.sleep(60)
      } finally {
        yield* lev.sleep(2)
      }
    }))
    yield* lev.sleep(2)
    task.cancel()
  })
  t.match([error, reported], [/first/, []])
})

t.test('cancelling a scope from inside or outside', (t) => virtual(function* () {
  const seen: unknown[] = []
  const error = yield* failure(lev.scope(function* (scope) {
    const child = lev.spawn(() => lev.sleep(60))
    yield* lev.sleep(1)
    scope.cancel('enough')
    scope.cancel('again')
    seen.push(child.cancelReason)
    const late = scope.spawn(function* () {
      seen.push('ran')
      yield* lev.yieldNow()
    })
    seen.push(late.cancelReason)
    yield* lev.sleep(1)
    seen.push('never')
  }))
  t.match(error, { code: 'LEV_CANCELLED', reason: 'enough' })
  t.same(seen, ['enough', 'enough'])

  let inner: lev.Scope | null = null
  const task = lev.spawn(() => lev.scope(function* (scope) {
    inner = scope
    try {
      yield* lev.sleep(60)
    } finally {
      seen.push('cleaned up')
    }
  }))
  yield* lev.sleep(1)
  task.cancel('drain')
  t.match(yield* failure(task.join()), { reason: 'drain' })
  t.equal(seen.at(-1), 'cleaned up')
  t.throws(() => inner?.spawn(() => lev.sleep(1)), { code: 'LEV_CLOSED' }, 'a scope that has ended takes no tasks')
}))

t.test('a value that the body had is given though its tasks were cancelled then', (t) => virtual(function* () {
  t.equal(yield* lev.scope(function* (scope) {
    lev.spawn(function* () {
      yield* lev.sleep(1)
      scope.cancel()
      yield* lev.sleep(1)
    })
    return 'had it'
  }), 'had it')
}))

t.test('joining: many joiners, joining twice, joining oneself', (t) => virtual(function* () {
  const task = lev.spawn(() => after(1, { some: 'value' }))
  const joiners = Array.from({ length: 5 }, () => lev.spawn(() => task.join()))
  const value = yield* task.join()
  for (const joiner of joiners) t.equal(yield* joiner.join(), value)
  t.equal(yield* task.join(), value)
  const self: lev.Task<unknown> = lev.spawn(function* () {
    return yield* failure(self.join())
  })
  t.match(yield* self.join(), { code: 'LEV_USAGE' })
}))

t.test('what is called in the wrong place says so', async (t) => {
  const outside: (() => unknown)[] = [
    () => lev.spawn(() => lev.sleep(1)), () => lev.now(), () => lev.wallClock(), () => lev.pipe(),
    () => lev.sleep(1).next(), () => lev.yieldNow().next(), () => lev.timeout(1, lev.sleep(1)).next(),
    () => lev.shield(lev.sleep(1)).next(), () => lev.scope(() => lev.sleep(1)).next(),
    () => lev.listen({ ip: '127.0.0.1', port: 0 }).next(), () => lev.connect({ ip: '127.0.0.1', port: 1 }).next(),
  ]
  for (const call of outside) t.throws(call, { code: 'LEV_USAGE', message: /lev\.run/ })

  const wrong: [string, () => unknown][] = [
    ['a promise', () => Promise.resolve()], ['undefined', () => undefined], ['an async function', async () => {}],
  ]
  for (const [name, start] of wrong) {
    const { error } = await ran(start as () => Op<void>)
    t.match(error, { code: 'LEV_USAGE', message: /function\*/ }, name)
  }
  const yielded = await ran(function* () {
    const seen: unknown[] = []
    for (const value of [undefined, 1, Promise.resolve(), lev.sleep(1), {}]) {
      try {
        yield value as unknown as lev.Suspension
      } catch (error) {
        seen.push(error)
      }
    }
    return seen
  })
  t.match(yielded.value, Array.from({ length: 5 }, () => ({ code: 'LEV_USAGE', message: /yield\*/ })))
})

t.test('a task in the background ends when all others of its scope are done', (t) => virtual(function* () {
  const seen: string[] = []
  function* wait(name: string): Op<void> {
    try {
      seen.push(`${name} begins`)
      yield* lev.sleep(60)
    } finally {
      yield* lev.sleep(1)
      seen.push(`${name} over at ${lev.now()}`)
    }
  }
  const value = yield* lev.scope(function* (scope) {
    const task = lev.background(() => wait('one'))
    scope.background(() => wait('two'))
    seen.push('begun')
    lev.spawn(() => lev.sleep(2))
    t.equal(task.outcome, null)
    yield* lev.sleep(1)
    return 'value'
  })
  t.equal(value, 'value')
  t.same(seen, ['one begins', 'two begins', 'begun', 'one over at 3', 'two over at 3'])
}))

t.test('a task in the background may be told to end in a way of its own, once', (t) => virtual(function* () {
  const ended = lev.event()
  let told = 0
  let after = 0
  yield* lev.scope(function* () {
    lev.background(function* () {
      yield* ended.wait()
      // What it spawns while it ends is waited for like everything else.
      lev.spawn(() => lev.sleep(1))
      yield* lev.sleep(2)
      after = lev.now()
    }, () => {
      told++
      ended.set()
    })
    // One that is over before does not count.
    lev.background(() => lev.sleep(0.5), () => t.fail('it is over'))
    yield* lev.sleep(1)
  })
  t.same([told, after], [1, 3])
}))

t.test('a task in the background: failures and cancelling', (t) => virtual(function* () {
  const seen: string[] = []
  const failed = yield* failure(lev.scope(function* () {
    lev.background(() => failAfter(1, new Error('in the background')))
    yield* lev.sleep(60)
  }))
  t.match(failed, { message: 'in the background' })
  const end = yield* failure(lev.scope(function* () {
    lev.background(() => lev.sleep(60), () => {
      throw new Error('cannot be told')
    })
  }))
  t.match(end, { message: 'cannot be told' })
  t.equal(lev.now(), 1)
  yield* failure(lev.scope(function* (scope) {
    lev.background(function* () {
      try {
        yield* lev.sleep(60)
      } finally {
        seen.push('cancelled')
      }
    }, () => seen.push('told'))
    scope.cancel()
    const late = scope.background(function* () {
      seen.push('never')
      yield* lev.sleep(1)
    })
    t.match(late.outcome, { kind: 'cancelled' })
    yield* lev.sleep(60)
  }))
  t.same(seen.filter((what) => what !== 'told'), ['cancelled'])
  t.equal(lev.now(), 1)
}))

t.test('what a task in the background waits for is not lost when the others are done', async (t) => {
  const error = new Error('for the background')
  const waits: Readonly<Record<string, (task: lev.Task<never>) => Op<unknown>>> = {
    'it joins': (task) => task.join(),
    'it joins under a timeout': (task) => lev.timeout(60, task.join()),
    'it joins in a scope': (task) => lev.scope(() => task.join()),
    'it is done waiting': (task) => task.done(),
    'it joins and waits on': function* (task) {
      yield* task.join()
      yield* lev.sleep(60)
    },
  }
  for (const [name, wait] of Object.entries(waits)) {
    const outcome = await ran(() => lev.scope(function* (scope) {
      const task = scope.spawn(() => failAfter(1, error))
      scope.background(() => wait(task))
    }))
    t.equal(outcome.error, error, name)
    t.same(outcome.reported, [], name)
  }
  const seen: unknown[] = []
  for (const wrapped of [(op: Op<string>) => op, (op: Op<string>) => lev.timeout(60, op)]) {
    await virtual(() => lev.scope(function* (scope) {
      const task = scope.spawn(() => after(1, 'value'))
      scope.background(function* () {
        seen.push(yield* wrapped(task.join()))
        yield* lev.sleep(1)
        seen.push('never')
      })
    }))
  }
  t.same(seen, ['value', 'value'])
})

t.test('an error counts once, however many tasks it comes through', async (t) => {
  const error = new Error('once')
  const other = new Error('another')
  const failing = (): Op<never> => failAfter(1, error)
  const programs: Readonly<Record<string, () => Op<unknown>>> = {
    'joined by two siblings': () => lev.scope(function* (scope) {
      const task = scope.spawn(failing)
      scope.spawn(() => task.join())
      scope.spawn(() => task.join())
    }),
    'joined in a finally block': () => lev.scope(function* (scope) {
      const task = scope.spawn(failing)
      try {
        yield* lev.sleep(60)
      } finally {
        yield* task.join()
      }
    }),
    'joined in two scopes, one in the other': () => lev.scope(function* (scope) {
      const task = scope.spawn(failing)
      scope.spawn(() => lev.scope(() => task.join()))
      yield* task.join()
    }),
  }
  for (const [name, program] of Object.entries(programs)) t.equal((await ran(program)).error, error, name)

  const both = await ran(() => lev.scope(function* (scope) {
    const task = scope.spawn(failing)
    scope.spawn(() => lev.scope(function* (inner) {
      inner.spawn(() => task.join())
      inner.spawn(() => failAfter(1, other))
    }))
    yield* task.join()
  }))
  t.ok(both.error instanceof AggregateError)
  t.strictSame(new Set((both.error as AggregateError).errors), new Set([error, other]))
  t.equal((both.error as AggregateError).errors.length, 2, 'among others')
})

t.test('random trees of tasks: nothing outlives its scope, no error is lost', async (t) => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = randomFrom(seed).below
    let running = 0
    const thrown: string[] = []
    const fail = (): never => {
      thrown.push(`${thrown.length}`)
      throw new Error(thrown.at(-1))
    }
    function* node(depth: number): Op<void> {
      running++
      try {
        yield* lev.sleep(random(10))
        if (depth < 3) {
          yield* lev.scope(function* (scope) {
            for (let count = random(4); count > 0; count--) scope.spawn(() => node(depth + 1))
            yield* lev.sleep(random(10))
            if (random(8) === 0) scope.cancel()
          })
        }
        if (random(10) === 0) fail()
      } finally {
        try {
          // Under a shield: cancelling within a finally block that an error runs takes the error's place.
          if (random(3) === 0) yield* lev.shield(lev.sleep(1))
          if (random(12) === 0) fail()
        } finally {
          running--
        }
      }
    }
    const { error, reported } = await ran(() => node(0))
    const got: string[] = []
    const collect = (each: unknown): void => {
      if (each instanceof AggregateError) each.errors.forEach(collect)
      else if (each instanceof Error && !(each instanceof lev.CancelledError)) got.push(each.message)
    }
    collect(error)
    t.equal(running, 0, `seed ${seed}`)
    t.same(reported, [])
    // An error of a finally block takes the place of the one before it in the same task, as in any program.
    for (const each of got) t.ok(thrown.includes(each))
    t.equal(got.length > 0, thrown.length > 0, `seed ${seed}: ${thrown.length} thrown, ${got.length} came out`)
    t.equal(new Set(got).size, got.length, 'each comes out once')
  }
})
