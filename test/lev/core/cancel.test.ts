import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import { failure, virtual } from '../../../testing/virtual.js'
import { failAfter, ran } from '../../support/virtual-run.js'

t.test('finally blocks run innermost first, and no catch sees a cancellation', (t) => virtual(function* () {
  const seen: string[] = []
  function* level(name: string, inner: Op<void>): Op<void> {
    try {
      yield* inner
      seen.push(`${name} went on`)
    } catch {
      seen.push(`${name} caught`)
    } finally {
      seen.push(name)
      yield* lev.sleep(1)
      seen.push(`${name} cleaned up at ${lev.now()}`)
    }
  }
  const task = lev.spawn(() => level('outer', level('middle', level('inner', lev.sleep(Infinity)))))
  yield* lev.sleep(1)
  task.cancel('for a test')
  task.cancel('again')
  t.equal(task.outcome, null)
  t.equal(task.cancelReason, 'for a test')
  t.match(yield* failure(task.join()), { code: 'LEV_CANCELLED', reason: 'for a test', message: 'the task was cancelled: for a test' })
  t.same(seen, ['inner', 'inner cleaned up at 2', 'middle', 'middle cleaned up at 3', 'outer', 'outer cleaned up at 4'])
  task.cancel('late')
  t.same(task.outcome, { kind: 'cancelled', reason: 'for a test' })
}))

t.test('a task that is cancelled before its first step runs none of its code', (t) => virtual(function* () {
  const task = lev.spawn(function* () {
    try {
      t.fail('it ran')
    } finally {
      t.fail('it ran')
    }
  })
  task.cancel()
  t.match(yield* failure(task.join()), { code: 'LEV_CANCELLED', reason: 'cancelled' })
}))

t.test('a ready task is given its value, and unwinds where it next suspends', (t) => virtual(function* () {
  const seen: unknown[] = []
  let wake = (_value: string): void => {}
  const task = lev.spawn(function* () {
    try {
      seen.push(yield* lev.suspend<string>((resume) => (wake = resume, () => seen.push('disarmed'))))
      seen.push('goes on')
      yield* lev.sleep(1)
      seen.push('never')
    } catch (error) {
      seen.push(error)
    } finally {
      seen.push('finally')
    }
  })
  yield* lev.yieldNow()
  wake('value')
  task.cancel()
  wake('another')
  yield* failure(task.join())
  t.same(seen, ['value', 'goes on', 'finally'])
  t.equal(lev.now(), 0)
}))

t.test('a task that ends without suspending again was not cancelled after all', (t) => virtual(function* () {
  let wake = (_value: null): void => {}
  const task = lev.spawn(function* () {
    yield* lev.suspend<null>((resume) => {
      wake = resume
    })
    return 'done'
  })
  yield* lev.yieldNow()
  wake(null)
  task.cancel()
  t.equal(yield* task.join(), 'done')
}))

t.test('a running task is never ended in the midst of its code', (t) => virtual(function* () {
  const seen: string[] = []
  const task: lev.Task<void> = lev.spawn(function* () {
    try {
      task.cancel('by itself')
      seen.push('goes on')
      yield* lev.sleep(1)
      seen.push('never')
    } finally {
      seen.push('finally')
    }
  })
  t.match(yield* failure(task.join()), { reason: 'by itself' })
  t.same(seen, ['goes on', 'finally'])
}))

t.test('cancelling disarms exactly once; what comes later wakes no task', (t) => virtual(function* () {
  let disarmed = 0
  let wake = (_value: string): void => {}
  const task = lev.spawn(function* () {
    try {
      yield* lev.suspend<string>((resume) => (wake = resume, () => disarmed++))
    } finally {
      const late = yield* lev.suspend<string>((resume) => {
        lev.spawn(function* () {
          yield* lev.sleep(1)
          resume('the right one')
        })
        wake('a late one')
      })
      t.equal(late, 'the right one')
    }
  })
  yield* lev.yieldNow()
  task.cancel()
  yield* failure(task.join())
  t.equal(disarmed, 1)
}))

t.test('a stale yieldNow does not wake what a finally block waits for', (t) => virtual(function* () {
  const task = lev.spawn(function* () {
    try {
      yield* lev.yieldNow()
    } finally {
      const got = yield* lev.suspend<string>((resume) => {
        lev.spawn(function* () {
          yield* lev.sleep(1)
          resume('right')
        })
      })
      t.equal(got, 'right')
    }
  })
  const canceller = lev.spawn(function* () {
    task.cancel()
  })
  yield* canceller.join()
  yield* failure(task.join())
}))

t.test('a task that is cancelled while it arms is ended', (t) => virtual(function* () {
  let disarmed = 0
  const task: lev.Task<void> = lev.spawn(function* () {
    yield* lev.suspend(() => {
      task.cancel('while arming')
      return () => disarmed++
    })
    t.fail('it went on')
  })
  t.match(yield* failure(task.join()), { reason: 'while arming' })
  t.equal(disarmed, 1)
}))

t.test('what arming throws is thrown in the coroutine; what disarming throws is reported', async (t) => {
  const { value, reported } = await ran(function* () {
    const seen: unknown[] = []
    try {
      yield* lev.suspend(() => {
        throw new Error('no arms')
      })
    } catch (error) {
      seen.push(error)
    }
    const task = lev.spawn(() => lev.suspend(() => () => {
      throw new Error('no disarming')
    }))
    yield* lev.yieldNow()
    task.cancel()
    seen.push(yield* failure(task.join()))
    const woken = yield* lev.suspend<string>((resume) => {
      resume('woken')
      throw new Error('too late')
    })
    seen.push(woken)
    return seen
  })
  t.match(value, [/no arms/, { code: 'LEV_CANCELLED' }, 'woken'])
  t.match(reported, [/no disarming/, /too late/])
})

t.test('cleaning up is bounded: 5 s for all finally blocks together', (t) => virtual(function* () {
  const seen: unknown[] = []
  const task = lev.spawn(function* () {
    try {
      yield* lev.sleep(Infinity)
    } finally {
      try {
        for (;;) {
          yield* lev.sleep(2)
          seen.push(lev.now())
        }
      } finally {
        seen.push(`stopped at ${lev.now()}`)
        seen.push(yield* failure(lev.sleep(0.1)))
      }
    }
  })
  yield* lev.sleep(1)
  task.cancel()
  t.match(yield* failure(task.join()), { code: 'LEV_CANCELLED' })
  t.match(seen, [3, 5, 'stopped at 6', { code: 'LEV_CANCELLED' }])
  t.equal(lev.now(), 6)
}))

t.test('a scope or timeout in a finally block is bounded too', (t) => virtual(function* () {
  for (const cleanup of [
    () => lev.timeout(60, lev.sleep(60)),
    () => lev.scope(function* () {
      lev.spawn(() => lev.sleep(60))
      yield* lev.sleep(60)
    }),
  ]) {
    const start = lev.now()
    const task = lev.spawn(function* () {
      try {
        yield* lev.sleep(Infinity)
      } finally {
        yield* cleanup()
      }
    })
    yield* lev.yieldNow()
    task.cancel()
    t.match(yield* failure(task.join()), { code: 'LEV_CANCELLED' })
    t.equal(lev.now() - start, 5)
  }
}))

t.test('a shield lets cleanup finish, up to its own deadline', (t) => virtual(function* () {
  const seen: unknown[] = []
  function* guarded(seconds: number, shield: number): Op<void> {
    try {
      yield* lev.sleep(Infinity)
    } finally {
      try {
        yield* lev.shield(lev.sleep(seconds), shield)
        seen.push('finished')
      } catch (error) {
        seen.push(error)
      }
    }
  }
  for (const [seconds, shield, took] of [[8, 20, 8], [30, 7, 7], [30, Infinity, 30]] as const) {
    const start = lev.now()
    const task = lev.spawn(() => guarded(seconds, shield))
    yield* lev.yieldNow()
    task.cancel()
    t.match(yield* failure(task.join()), { code: 'LEV_CANCELLED' })
    t.equal(lev.now() - start, took)
  }
  t.match(seen, ['finished', { code: 'LEV_TIMEOUT' }, 'finished'])
}))

t.test('a cancellation during a shield takes effect after it', (t) => virtual(function* () {
  const seen: unknown[] = []
  const task = lev.spawn(function* () {
    seen.push(yield* lev.shield((function* () {
      yield* lev.sleep(2)
      return 'whole'
    })()))
    yield* lev.sleep(1)
    seen.push('never')
  })
  yield* lev.sleep(1)
  task.cancel()
  t.match(yield* failure(task.join()), { code: 'LEV_CANCELLED' })
  t.same(seen, ['whole'])
  t.equal(lev.now(), 2)
}))

t.test('nothing that a timeout or scope was given is lost when its caller is cancelled', (t) => virtual(function* () {
  const wrappers: (<T>(op: Op<T>) => Op<T>)[] = [
    (op) => op,
    (op) => lev.timeout(60, op),
    (op) => lev.timeout(60, lev.timeout(50, op)),
    (op) => lev.scope(() => op),
    (op) => lev.timeout(60, lev.scope(() => lev.timeout(50, op))),
  ]
  for (const [index, wrapped] of wrappers.entries()) {
    const queue = lev.channel<string>(1)
    const taken: unknown[] = []
    const task = lev.spawn(function* () {
      for (;;) taken.push(yield* wrapped(queue.receive()))
    })
    yield* lev.sleep(1)
    queue.trySend('item')
    task.cancel()
    t.match(yield* failure(task.join()), { code: 'LEV_CANCELLED' })
    t.same([taken, queue.size], [['item'], 0], `wrapper ${index}`)
  }
}))

t.test('an error in a finally block comes out, with and without a joiner', async (t) => {
  function* broken(): Op<void> {
    try {
      yield* lev.sleep(Infinity)
    } finally {
      yield* failAfter(0.1, new Error('cleanup broke'))
    }
  }
  const wrappers: ((op: Op<void>) => Op<void>)[] = [
    (op) => op,
    (op) => lev.timeout(60, op),
    (op) => lev.scope(() => op),
    (op) => lev.shield(lev.scope(function* (scope) {
      lev.spawn(function* () {
        yield* lev.sleep(1)
        scope.cancel()
      })
      yield* op
    })),
    (op) => lev.scope(function* () {
      lev.spawn(() => op)
      yield* lev.sleep(Infinity)
    }),
  ]
  for (const [index, wrapped] of wrappers.entries()) {
    const joined = await ran(function* () {
      const task = lev.spawn(() => wrapped(broken()))
      lev.spawn(function* () {
        yield* lev.sleep(0.5)
        task.cancel()
      })
      return yield* failure(task.join())
    })
    t.match([joined.value, joined.error, joined.reported], [/cleanup broke/, undefined, []], `joined, wrapper ${index}`)
    const alone = await ran(function* () {
      const task = lev.spawn(() => wrapped(broken()))
      yield* lev.yieldNow()
      task.cancel()
    })
    t.match([alone.error, alone.reported], [/cleanup broke/, []], `not joined, wrapper ${index}`)
  }
})

t.test('a cancelled task that catches often starves no other task', (t) => virtual(function* () {
  let refused = 0
  let others = 0
  const task = lev.spawn(function* () {
    try {
      yield* lev.sleep(Infinity)
    } finally {
      while (refused < 500) {
        try {
          yield* lev.sleep(10)
        } catch {
          refused++
        }
      }
    }
  })
  yield* lev.sleep(1)
  task.cancel()
  yield* lev.sleep(4)
  while (task.outcome === null) {
    yield* lev.yieldNow()
    others++
  }
  t.equal(refused, 500)
  t.ok(others >= 500, `${others} turns`)
}))

t.test('one time for cleaning up holds for a whole unwinding, however many tasks it goes through', async (t) => {
  const slow: (op: Op<void>) => Op<void> = function* (op) {
    try {
      yield* op
    } finally {
      yield* lev.sleep(60)
    }
  }
  const layers: Readonly<Record<string, (op: Op<void>) => Op<void>>> = {
    function: (op) => slow(op),
    timeout: (op) => lev.timeout(1000, slow(op)),
    'timeout in cleanup': function* (op) {
      try {
        yield* op
      } finally {
        yield* lev.timeout(1000, slow(lev.sleep(60)))
      }
    },
    'timeout that fires in cleanup': function* (op) {
      try {
        yield* op
      } finally {
        try {
          yield* lev.timeout(1, slow(lev.sleep(60)))
        } catch {
          // It was to fail.
        }
      }
    },
    scope: (op) => lev.scope(function* () {
      lev.spawn(() => slow(lev.sleep(1000)))
      yield* slow(op)
    }),
    'scope in cleanup': function* (op) {
      try {
        yield* op
      } finally {
        yield* lev.scope(function* (scope) {
          scope.spawn(() => slow(lev.sleep(60)))
          yield* lev.sleep(60)
        })
      }
    },
    'cancelled scope': (op) => lev.scope(function* (scope) {
      scope.spawn(function* () {
        yield* lev.sleep(9)
        scope.cancel()
      })
      yield* slow(op)
    }),
  }
  for (const [first, one] of Object.entries(layers)) {
    for (const [second, other] of Object.entries(layers)) {
      await virtual(function* () {
        const task = lev.spawn(() => one(other(one(other(lev.sleep(Infinity))))))
        yield* lev.sleep(10)
        task.cancel()
        yield* task.done()
        t.ok(lev.now() < 15.1, `${first}, ${second}: ${lev.now() - 10} s`)
        if (first !== 'cancelled scope' && second !== 'cancelled scope') t.ok(lev.now() >= 15, `${first}, ${second}: ${lev.now() - 10} s`)
      })
    }
  }
})

t.test('timeouts that are over one after another while the innermost cleans up: each has its own 5 s at most', (t) => virtual(function* () {
  const ends: number[] = []
  let op: Op<void> = lev.sleep(Infinity)
  for (let seconds = 1; seconds <= 4; seconds++) {
    const inner = op
    op = lev.timeout(seconds, (function* () {
      try {
        yield* inner
      } finally {
        try {
          yield* lev.sleep(60)
        } finally {
          ends.push(lev.now())
        }
      }
    })())
  }
  t.match(yield* failure(op), { code: 'LEV_TIMEOUT', message: 'not done within 4 s' })
  t.same(ends, [6, 7, 8, 9])
}))

t.test('time under a shield before the first unshielded wait is no time for cleaning up', (t) => virtual(function* () {
  const seen: number[] = []
  const task = lev.spawn(() => lev.timeout(1000, (function* () {
    try {
      yield* lev.shield(lev.sleep(8), 10)
      yield* lev.sleep(1000)
    } finally {
      yield* lev.sleep(4)
      seen.push(lev.now())
    }
  })()))
  yield* lev.yieldNow()
  task.cancel()
  yield* task.done()
  t.same(seen, [12])
}))

t.test('a cancellation of the task around does not cut short what a cleanup waits for', (t) => virtual(function* () {
  const seen: number[] = []
  const task = lev.spawn(() => lev.timeout(1, (function* () {
    try {
      yield* lev.sleep(60)
    } finally {
      yield* lev.timeout(60, lev.scope(() => lev.sleep(3)))
      seen.push(lev.now())
    }
  })()))
  yield* lev.sleep(2)
  task.cancel()
  t.match(yield* failure(task.join()), { code: 'LEV_TIMEOUT' })
  t.same(seen, [4])
}))
