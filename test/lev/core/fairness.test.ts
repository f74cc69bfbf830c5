import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import { nodeDriver } from '../../../lev/drivers/node/node.js'
import { runIn } from '../../../testing/setup.js'
import { networkKinds } from '../io/stream-kinds.js'
import { connectedPair } from '../../../testing/streams.js'
import { computing, type ComputingDriver } from '../../support/computing.js'

/** What never rests, each in its own way; `stop()` tells when to end. */
const busy: [string, (stop: () => boolean) => Op<void>][] = [
  ['breathes for ever', function* (stop) {
    while (!stop()) yield* lev.yieldNow()
  }],
  ['sleeps for no time', function* (stop) {
    while (!stop()) yield* lev.sleep(0)
  }],
  ['two tasks that hand a ball to each other', function* (stop) {
    const there = lev.channel<string>()
    const back = lev.channel<string>()
    const other = lev.spawn(function* () {
      for (let ball = yield* there.receive(); ball !== null; ball = yield* there.receive()) yield* back.send(ball)
    })
    while (!stop()) {
      yield* there.send('ball')
      yield* back.receive()
    }
    there.close()
    yield* other.join()
  }],
  ['waits for promises that are fulfilled', function* (stop) {
    while (!stop()) yield* lev.wait(Promise.resolve())
  }],
  ['spawns and joins', function* (stop) {
    while (!stop()) {
      yield* lev.spawn(function* () {
        yield* lev.yieldNow()
      }).join()
    }
  }],
  ['a pipe that is written to and read from', function* (stop) {
    const [near, far] = lev.pipe()
    while (!stop()) {
      yield* near.write('x')
      yield* far.read()
    }
  }],
  ['a cancelled task that catches for ever', function* (stop) {
    const task = lev.spawn(function* () {
      try {
        yield* lev.sleep(60)
      } finally {
        while (!stop()) {
          try {
            yield* lev.suspend(() => {})
          } catch {
            // Goes on.
          }
        }
      }
    })
    yield* lev.yieldNow()
    task.cancel()
    try {
      yield* task.join()
    } catch {
      // As it should.
    }
  }],
]

for (const kind of networkKinds.slice(0, 2)) {
  for (const [name, run] of busy) {
    // A catching task is refused only after its time for cleaning up: on the system's clock that is too long for a test.
    if (!kind.virtual && name.startsWith('a cancelled')) continue
    t.test(`${kind.name}: ${name}`, (t) => runIn(kind, function* () {
      let stop = false
      lev.spawn(() => run(() => stop))
      const [near, far] = yield* connectedPair()
      for (let count = kind.virtual ? 7 : 0; count < 10; count++) {
        yield* near.write('ping')
        t.equal((yield* far.read())?.toString(), 'ping')
        yield* lev.sleep(0.002)
      }
      if (kind.virtual) yield* lev.sleep(20)
      stop = true
      near.close()
      far.close()
    }))
  }
}

t.test('tasks that compute for long do not hold up the others together', async (t) => {
  const { driver, compute } = computing(lev.memory())
  await lev.run(function* () {
    let stop = false
    for (let count = 0; count < 100; count++) {
      lev.spawn(function* () {
        while (!stop) {
          compute(0.004)
          yield* lev.yieldNow()
        }
      })
    }
    // Their first steps are work as any other.
    yield* lev.sleep(0.5)
    for (let count = 0; count < 20; count++) {
      const until = lev.now() + 0.01
      yield* lev.sleep(0.01)
      t.ok(lev.now() - until < 0.1, `${lev.now() - until} s late, where all of them take 0.4 s`)
    }
    stop = true
  }, { driver })
})

/** `driver`, with its turns counted, and with a clock that what is computed moves on. */
function counted(driver: lev.Driver): ComputingDriver & { readonly turns: () => number } {
  let turns = 0
  const base = computing(driver)
  return {
    ...base,
    turns: () => turns,
    driver: {
      ...base.driver,
      start: (loop) => driver.start({
        ...loop,
        tick() {
          turns++
          loop.tick()
        },
      }),
    },
  }
}

/** By how much `count` grows at most while any of a hundred tasks which yield waits for its next step, beside `run`. */
async function longestWait(run: (stop: () => boolean) => Op<void>, count: () => number, driver: lev.Driver): Promise<number> {
  let longest = 0
  let stop = false
  await lev.run(function* () {
    lev.spawn(() => run(() => stop))
    yield* lev.scope(function* (scope) {
      for (let number = 0; number < 100; number++) scope.spawn(function* () {
        for (let step = 0; step < 20; step++) {
          const before = count()
          yield* lev.yieldNow()
          longest = Math.max(longest, count() - before)
        }
      })
    })
    stop = true
  }, { driver })
  return longest
}

for (const [name, make] of [['node', nodeDriver], ['memory', () => lev.memory()]] as const) {
  // The catching task is refused only after its time for cleaning up.
  for (const [what, run] of busy.slice(2, -1)) {
    t.test(`${name}: ${what}, beside a hundred that yield: each has its step in a turn or two`, async (t) => {
      const { driver, turns } = counted(make())
      const longest = await longestWait(run, turns, driver)
      t.ok(longest <= 3, `${longest} turns`)
    })
  }
  for (const seconds of [0.001, 0.004, 0.05]) {
    t.test(`${name}: two tasks that compute for ${seconds} s, beside a hundred that yield: each has its step`, async (t) => {
      const { driver, compute } = counted(make())
      let computed = 0
      const longest = await longestWait(function* (stop) {
        const ball = lev.channel<string>()
        const other = lev.spawn(function* () {
          for (; (yield* ball.receive()) !== null; computed++) compute(seconds)
        })
        while (!stop()) yield* ball.send('ball')
        ball.close()
        yield* other.join()
      }, () => computed, driver)
      t.ok(longest <= 1200, `${longest} steps of theirs`)
    })
  }
}
