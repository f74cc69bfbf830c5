import fc from 'fast-check'
import t from 'tap'
import * as lev from '../../lev/index.js'
import type { Op } from '../../lev/index.js'
import { failure, ran, virtual } from './virtual.js'

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

function fail(message: string): never {
  throw new Error(message)
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

t.test('an error of a finally block goes outwards as any other', (t) => virtual(function* () {
  const log: unknown[] = []
  function* inner(): Op<void> {
    try {
      yield* lev.sleep(Infinity)
    } finally {
      yield* lev.sleep(1)
      fail('of the cleanup')
    }
  }
  function* outer(): Op<void> {
    try {
      yield* inner()
      log.push('went on')
    } catch (error) {
      log.push(error)
    } finally {
      yield* lev.sleep(1)
      log.push('finally')
    }
    log.push('after it was caught')
    yield* lev.sleep(60)
    log.push('never')
  }
  const task = lev.spawn(outer)
  yield* lev.breathe()
  task.cancel()
  t.match(yield* failure(task.join()), { code: 'LEV_CANCELLED' })
  t.match(log, [/of the cleanup/, 'finally', 'after it was caught'])
  t.equal(lev.now(), 5, 'the time for cleaning up holds')
}))

t.test('a cleanup that takes too long is ended, and nobody outside of it catches that', (t) => virtual(function* () {
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
  yield* lev.breathe()
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
        fail('broken')
      }
    })
    yield* lev.breathe()
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
  yield* lev.breathe()
  task.cancel()
  yield* failure(task.join())
  t.same(log, ['inner', 'outer'])
}))
