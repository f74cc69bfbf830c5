import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import { failure, virtual } from '../../../testing/virtual.js'
import { inProcess } from '../../support/in-process.js'
import { failAfter, ran } from '../../support/virtual-run.js'

/** What one frame of a coroutine does; the innermost suspends for ever. */
interface Shape {
  /** Suspensions of its `finally` block. */
  readonly cleanups: number
  /** How it waits for the frame inside. */
  readonly by: 'yield*' | 'timeout' | 'scope' | 'shielded cleanup'
  readonly catches: boolean
  readonly delegates: boolean
}

const shapes = fc.array(
  fc.record<Shape>({
    cleanups: fc.nat(3),
    by: fc.constantFrom('yield*', 'yield*', 'timeout', 'scope', 'shielded cleanup'),
    catches: fc.boolean(),
    delegates: fc.boolean(),
  }),
  { minLength: 1, maxLength: 7 },
)

function* frame(index: number, frames: readonly Shape[], log: string[]): Op<string> {
  const shape = frames[index]
  if (shape === undefined) {
    yield* lev.sleep(Infinity)
    log.push('woke up')
    return 'never'
  }
  try {
    const inner = frame(index + 1, frames, log)
    let value: string
    if (shape.by === 'timeout') value = yield* lev.timeout(1000, inner)
    else if (shape.by === 'scope') value = yield* lev.scope(() => inner)
    else value = yield* inner
    log.push(`${index} went on with ${value}`)
    return value
  } catch (error) {
    log.push(`${index} caught ${String(error)}`)
    if (!shape.catches) throw error
    return 'caught'
  } finally {
    log.push(`${index} begins`)
    for (let count = 0; count < shape.cleanups; count++) {
      const pause = shape.delegates ? nested(0.01) : lev.sleep(0.01)
      if (shape.by === 'shielded cleanup') yield* lev.shield(pause)
      else yield* pause
    }
    log.push(`${index} ends`)
  }
}

function* nested(seconds: number): Op<void> {
  try {
    yield* lev.sleep(seconds)
  } finally {
    // A generator of its own, whose end must not be taken for that of a frame.
    for (const value of counting()) if (value === 1) break
  }
}

function fail(error: Error): never {
  throw error
}

/** Runs `op`, and catches what it throws. */
function* tried(op: Op<void>): Op<void> {
  try {
    yield* op
  } catch {
    // Goes on.
  }
}

function* counting(): Generator<number> {
  for (let value = 0; ; value++) yield value
}

t.test('however cleanup suspends, frames end innermost first and none goes on', async (t) => {
  await fc.assert(fc.asyncProperty(shapes, async (frames) => {
    const log: string[] = []
    await virtual(function* () {
      const task = lev.spawn(() => frame(0, frames, log))
      yield* lev.sleep(1)
      task.cancel()
      const error = yield* failure(task.join())
      if (!(error instanceof lev.CancelledError)) throw error
    })
    const expected = frames.map((_, index) => [`${index} begins`, `${index} ends`]).reverse().flat()
    t.strictSame(log, expected)
  }), { numRuns: 300 })
})

/** Ways in which one frame waits for another. */
const waits: Readonly<Record<string, (op: Op<void>) => Op<void>>> = {
  'yield*': (op) => op,
  'a timeout': (op) => lev.timeout(60, op),
  'a scope': (op) => lev.scope(() => op),
  'timeouts in scopes': (op) => lev.scope(() => lev.timeout(60, lev.scope(() => lev.timeout(60, op)))),
  'a task': (op) => lev.scope(function* () {
    lev.spawn(() => op)
    yield* lev.sleep(Infinity)
  }),
}

t.test('what a finally block throws is told at the end: no catch around sees it, and no frame goes on', async (t) => {
  for (const [name, wait] of Object.entries(waits)) {
    for (const pause of [0, 1]) {
      const log: unknown[] = []
      const inner = new Error('of the inner cleanup')
      const outer = new Error('of the outer cleanup')
      const program = function* (): Op<void> {
        for (;;) {
          try {
            yield* wait((function* () {
              try {
                yield* lev.sleep(Infinity)
              } finally {
                if (pause > 0) yield* lev.sleep(pause)
                fail(inner)
              }
            })())
            log.push('went on')
          } catch (error) {
            log.push(error)
          } finally {
            if (pause > 0) yield* lev.sleep(pause)
            log.push('finally')
          }
        }
      }
      const single = await ran(function* () {
        const task = lev.spawn(program)
        yield* lev.sleep(1)
        task.cancel()
        t.equal(yield* failure(task.join()), inner, `${name}, ${pause} s: an error is given as it is`)
        t.same(task.outcome, { kind: 'error', error: inner })
        t.equal(task.cancelReason, 'cancelled')
        t.equal(lev.now(), 1 + 2 * pause)
      })
      t.same([single.error, single.reported, log], [undefined, [], ['finally']], name)
      const both = await ran(function* () {
        const task = lev.spawn(function* () {
          try {
            yield* program()
          } finally {
            fail(outer)
          }
        })
        yield* lev.sleep(1)
        task.cancel()
      })
      t.ok(both.error instanceof AggregateError)
      t.strictSame((both.error as AggregateError).errors, [inner, outer], `${name}, ${pause} s: several are told together`)
    }
  }
})

t.test('an error of an operation is caught as ever while its caller is cancelled', (t) => virtual(function* () {
  for (const [name, wait] of Object.entries(waits)) {
    const seen: unknown[] = []
    const task: lev.Task<void> = lev.spawn(function* () {
      try {
        yield* wait((function* () {
          yield* lev.sleep(1)
          task.cancel()
          fail(new Error('its own'))
        })())
      } catch (error) {
        seen.push(error)
        yield* lev.sleep(1)
        seen.push('went on')
      }
    })
    t.match(yield* failure(task.join()), { code: 'LEV_CANCELLED' }, name)
    t.match(seen, name === 'a task' ? [] : [/its own/], name)
  }
}))

t.test('a function that catches its own cleanup for ever ends all the same, and those around it do', async (t) => {
  const loops: Readonly<Record<string, () => Op<void>>> = {
    *'an error in finally'() {
      for (;;) {
        try {
          try {
            yield* lev.sleep(1)
          } finally {
            fail(new Error('rolled back'))
          }
        } catch {
          // Goes on.
        }
      }
    },
    *'an error after a pause'() {
      for (;;) {
        try {
          try {
            yield* lev.sleep(1)
          } finally {
            yield* failAfter(1, new Error('rolled back'))
          }
        } catch {
          // Goes on.
        }
      }
    },
    *'continue in finally'() {
      for (;;) {
        try {
          yield* lev.sleep(1)
        } finally {
          // eslint-disable-next-line no-unsafe-finally
          continue
        }
      }
    },
    *'cleanup that tries for ever'() {
      try {
        yield* lev.sleep(Infinity)
      } finally {
        for (;;) yield* tried(lev.sleep(1))
      }
    },
    *'cleanup in a function that tries for ever'() {
      try {
        yield* lev.sleep(Infinity)
      } finally {
        yield* (function* (): Op<void> {
          for (;;) yield* tried(lev.sleep(1))
        })()
      }
    },
    *'frames that come again'() {
      for (;;) {
        try {
          yield* (function* () {
            try {
              yield* lev.sleep(1)
            } finally {
              for (;;) yield* tried(lev.sleep(1))
            }
          })()
        } finally {
          // eslint-disable-next-line no-unsafe-finally
          continue
        }
      }
    },
  }
  for (const [name, loop] of Object.entries(loops)) {
    for (const [around, wait] of Object.entries(waits)) {
      await virtual(function* () {
        const log: string[] = []
        const task = lev.spawn(function* () {
          try {
            yield* wait(loop())
            log.push('went on')
          } catch {
            log.push('caught')
          } finally {
            log.push('finally')
          }
        })
        yield* lev.sleep(10)
        task.cancel()
        t.match(yield* failure(task.join()), { code: 'LEV_CANCELLED' }, `${name}, ${around}`)
        t.same(log, ['finally'], `${name}, ${around}`)
        t.ok(lev.now() < 17, `${name}, ${around}: ${lev.now() - 10} s`)
      })
    }
  }
})

t.test('a cleanup that takes too long is ended, and no catch around it sees that', (t) => virtual(function* () {
  const log: unknown[] = []
  function* inner(): Op<void> {
    try {
      yield* lev.sleep(Infinity)
    } finally {
      try {
        yield* lev.sleep(60)
      } finally {
        log.push('inner')
      }
    }
  }
  const task = lev.spawn(function* () {
    try {
      yield* inner()
      log.push('went on')
    } catch (error) {
      log.push(error)
    } finally {
      log.push('outer')
    }
  })
  yield* lev.yieldNow()
  task.cancel()
  t.match(yield* failure(task.join()), { code: 'LEV_CANCELLED' })
  t.same(log, ['inner', 'outer'])
}))

t.test('the language is left as it was found', async (t) => {
  const prototype = Object.getPrototypeOf(Object.getPrototypeOf(counting())) as Generator
  const before = Object.getOwnPropertyDescriptor(prototype, 'return')
  const { error } = await ran(function* () {
    const task = lev.spawn(function* () {
      try {
        yield* lev.sleep(Infinity)
      } finally {
        t.not(prototype.return, before?.value, 'while it unwinds only')
        fail(new Error('broken'))
      }
    })
    yield* lev.yieldNow()
    task.cancel()
    yield* task.join()
  })
  t.match(error, /broken/)
  t.same(Object.getOwnPropertyDescriptor(prototype, 'return'), before)
})

t.test('a generator that a finally block ends by hand is not taken for a frame', (t) => virtual(function* () {
  function* awkward(): Generator<number> {
    try {
      yield 1
    } finally {
      yield 2
    }
  }
  const log: string[] = []
  const task = lev.spawn(function* () {
    try {
      yield* (function* () {
        try {
          yield* lev.sleep(Infinity)
        } finally {
          const generator = awkward()
          generator.next()
          generator.return(undefined)
          yield* lev.sleep(1)
          log.push('inner')
        }
      })()
      log.push('went on')
    } finally {
      yield* lev.sleep(1)
      log.push('outer')
    }
  })
  yield* lev.yieldNow()
  task.cancel()
  yield* failure(task.join())
  t.same(log, ['inner', 'outer'])
}))

t.test('an error that is on its way while its cleanup goes on under a shield is told together with what comes meanwhile', async (t) => {
  const first = new Error('first')
  const second = new Error('second')
  function* failing(): Op<void> {
    try {
      fail(first)
    } finally {
      yield* lev.shield(lev.sleep(2))
    }
  }
  const waiting = (): Op<void> => lev.scope(function* (scope) {
    scope.spawn(function* () {
      try {
        yield* lev.sleep(Infinity)
      } finally {
        yield* lev.sleep(2)
      }
    })
    yield* lev.sleep(0.1)
    fail(first)
  })
  const programs: Readonly<Record<string, () => Op<unknown>>> = {
    'one function': failing,
    'functions in functions': function* () {
      try {
        yield* failing()
      } finally {
        yield* lev.shield(lev.sleep(2))
      }
    },
    'a scope': () => lev.scope(failing),
    'a task that is joined': () => lev.scope(function* (scope) {
      yield* scope.spawn(failing).join()
    }),
    'a scope that waits for others': waiting,
    'a scope that waits for others, in a function that cleans up': function* () {
      try {
        yield* waiting()
      } finally {
        yield* lev.sleep(1)
      }
    },
  }
  for (const [name, program] of Object.entries(programs)) {
    const siblings = await ran(() => lev.scope(function* (scope) {
      scope.spawn(program)
      yield* failAfter(1, second)
    }))
    t.ok(siblings.error instanceof AggregateError, name)
    t.strictSame((siblings.error as AggregateError).errors, [second, first], name)
    const late = await ran(() => lev.timeout(1, program()))
    t.match(late.error, { code: 'LEV_TIMEOUT' }, name)
    t.equal((late.error as Error).cause, first, name)
    const cancelled = await ran(function* () {
      const task = lev.spawn(program)
      yield* lev.sleep(1)
      task.cancel()
    })
    t.equal(cancelled.error, first, name)
  }
})

t.test('an error of a cleanup is not lost when the time for cleaning up is over', (t) => virtual(function* () {
  const error = new Error('of the inner cleanup')
  const task = lev.spawn(function* () {
    try {
      yield* (function* () {
        try {
          yield* lev.sleep(Infinity)
        } finally {
          fail(error)
        }
      })()
    } finally {
      yield* lev.sleep(60)
    }
  })
  yield* lev.yieldNow()
  task.cancel()
  t.equal(yield* failure(task.join()), error)
  t.equal(lev.now(), 5)
}))

t.test('a timeout that is over while an inner one cleans up tells of both; one that is cancelled before tells of none', (t) => virtual(function* () {
  function* slow(): Op<void> {
    try {
      yield* lev.sleep(Infinity)
    } finally {
      yield* lev.sleep(4)
    }
  }
  const error = yield* failure(lev.timeout(2, lev.timeout(1, slow())))
  t.match(error, { message: 'not done within 2 s', cause: { message: 'not done within 1 s' } })
  const task = lev.spawn(() => lev.timeout(2, slow()))
  yield* lev.sleep(1)
  task.cancel()
  t.match(yield* failure(task.join()), { code: 'LEV_CANCELLED' })
}))

t.test('with frozen built-in objects a task is ended as JavaScript does it', async (t) => {
  const scenario = fileURLToPath(new URL('frozen-scenario.js', import.meta.url))
  t.equal(inProcess([scenario]), 'inner\nouter\ncancelled\n')
})
