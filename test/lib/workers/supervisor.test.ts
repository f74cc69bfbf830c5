import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op, Scope } from '../../../lev/index.js'
import { WorkerError } from '../../../lib/errors.js'
import { atOnce, type StopRequest } from '../../../lib/server/stop-times.js'
import { endSeconds, longestBackOff, settledSeconds, Supervisor, type SupervisorRules, type Worker } from '../../../lib/workers/supervisor.js'
import { failure, virtual } from '../../../testing/virtual.js'
import { keptLog, type KeptLog } from '../../support/kept-log.js'

// The supervisor in virtual time, with workers that are made up.

/** What a worker does, in seconds from its start. */
interface Plan {
  /** When it is ready; null: never. Default: 1. */
  readonly ready?: number | null
  /** When it ends by itself. */
  readonly ends?: number
  /** When it asks to be replaced. */
  readonly worn?: number
  /** How long it takes to end once it is told to stop; null: for ever. Default: 0. */
  readonly drains?: number | null
}

class Fake implements Worker {
  state: Worker['state'] = 'starting'
  ending = ''
  exitCode = 1
  worn: string | null = null
  readonly number: number
  readonly pid: number
  readonly startedAt = lev.now()
  endedAt = Infinity
  /** When it was told to stop, and what. */
  readonly stops: (StopRequest & { readonly at: number })[] = []
  /** The seconds that it was given to drain when another took its place. */
  retiredFor: number | null = null
  isKilled = false
  readonly #plan: Plan
  readonly #tasks: Scope
  readonly #changed: () => void

  constructor(number: number, pid: number, plan: Plan, tasks: Scope, changed: () => void) {
    this.number = number
    this.pid = pid
    this.#plan = plan
    this.#tasks = tasks
    this.#changed = changed
    const { ready = 1, ends, worn } = plan
    if (ready !== null) this.#after(ready, () => this.state === 'starting' && this.#become('ready'))
    if (ends !== undefined) this.#after(ends, () => this.end('exit code 3', 3))
    if (worn !== undefined) {
      this.#after(worn, () => {
        this.worn = 'memory'
        changed()
      })
    }
  }

  stop(request: StopRequest): void {
    this.stops.push({ ...request, at: lev.now() })
    const { drains = 0 } = this.#plan
    if (drains !== null) this.#after(drains, () => this.end('exit code 0', 0))
  }

  retire(drain: number): void {
    this.retiredFor = drain
    this.stop({ pre_drain: 0, drain })
  }

  kill(): void {
    this.isKilled = true
    this.end('SIGKILL', 1)
  }

  end(ending: string, exitCode: number): void {
    if (this.state === 'ended') return
    this.ending = ending
    this.exitCode = exitCode
    this.endedAt = lev.now()
    this.#become('ended')
  }

  #become(state: Worker['state']): void {
    this.state = state
    this.#changed()
  }

  #after(seconds: number, act: () => void): void {
    this.#tasks.background(function* () {
      yield* lev.sleep(seconds)
      act()
    })
  }
}

interface World {
  readonly supervisor: Supervisor
  /** All workers so far, by their start. */
  readonly fakes: Fake[]
  readonly log: KeptLog
  /** What was told, and when. */
  readonly states: (readonly [string, number])[]
  readonly run: lev.Task<void>
}

/** Supervises while `story` runs, and then stops. `planOf` gets how many were started before. */
async function supervised<T>(rules: Partial<SupervisorRules>, planOf: (started: number, number: number) => Plan, story: (world: World) => Op<T>): Promise<T> {
  return await virtual(() => lev.scope(function* (tasks) {
    const fakes: Fake[] = []
    const log = keptLog()
    const states: (readonly [string, number])[] = []
    const start = (number: number, changed: () => void): Fake => {
      const fake = new Fake(number, 100 + fakes.length, planOf(fakes.length, number), tasks, changed)
      fakes.push(fake)
      return fake
    }
    const all = { count: 2, readyWithin: 30, age: null, drain: () => 20, random: () => 0, ...rules }
    const supervisor = new Supervisor(all, start, log, (state) => states.push([state, lev.now()]))
    const run = tasks.spawn(() => supervisor.run())
    const result = yield* story({ supervisor, fakes, log, states, run })
    supervisor.stop(atOnce)
    yield* run.join()
    if (fakes.some(({ state }) => state !== 'ended')) throw new Error('a worker is left')
    return result
  }))
}

const startTimes = (fakes: readonly Fake[]): number[] => fakes.map(({ startedAt }) => Math.round(startedAt * 1000) / 1000)
const messages = (log: KeptLog): string[] => log.entries.map(({ message }) => message)

/** What a roll rejects with; null: it did not. */
function* rolled(supervisor: Supervisor): Op<unknown> {
  try {
    yield* lev.wait(supervisor.roll())
    return null
  } catch (error) {
    return error
  }
}

t.test('the first worker alone, then the others at once; ready when all are', async (t) => {
  await supervised({ count: 3 }, () => ({ ready: 2 }), function* ({ fakes, states }) {
    yield* lev.sleep(10)
    t.strictSame(startTimes(fakes), [0, 2, 2])
    t.strictSame(fakes.map(({ number }) => number), [1, 2, 3])
    t.strictSame(states, [['ready', 4]])
  })
})

t.test('a program that does not start ends with its error, and is not started again', async (t) => {
  const cases: [Plan, string, number, number][] = [
    [{ ready: null, ends: 3 }, 'the program did not start: its first worker ended before it was ready: exit code 3', 3, 3],
    [{ ready: null }, 'the program did not start: its first worker was not ready within 30 s', 1, 30],
  ]
  for (const [plan, message, exitCode, at] of cases) {
    await virtual(() => lev.scope(function* (tasks) {
      const fakes: Fake[] = []
      const rules = { count: 4, readyWithin: 30, age: null, drain: () => 20, random: () => 0 }
      const supervisor = new Supervisor(rules, (number, changed) => {
        fakes.push(new Fake(number, 1, plan, tasks, changed))
        return fakes[0] as Fake
      }, keptLog())
      const error = yield* failure(supervisor.run())
      t.type(error, WorkerError)
      t.match(error, { message, exitCode })
      t.equal(lev.now(), at)
      t.strictSame(fakes.map(({ state }) => state), ['ended'])
    }))
  }
})

t.test('a crashed worker is restarted at once, then after 1, 2, 4 up to 30 seconds; a while of good work forgets that', async (t) => {
  // Worker 1 crashes half a second after each time that it is ready; the eleventh works for long enough.
  const planOf = (started: number, number: number): Plan => {
    if (number === 2) return {}
    return started === 11 ? { ends: 1 + settledSeconds } : { ends: 1.5 }
  }
  await supervised({}, planOf, function* ({ fakes, log }) {
    yield* lev.sleep(300)
    const ones = fakes.filter(({ number }) => number === 1)
    const waits = ones.slice(1).map(({ startedAt }, index) => startedAt - (ones[index]?.endedAt ?? 0))
    t.strictSame(waits.slice(0, 13), [0, 1, 2, 4, 8, 16, 30, 30, 30, 30, 0, 1, 2])
    t.equal(longestBackOff, 30)
    t.equal(fakes.length, ones.length + 1, 'the other one is left alone')
    t.match(log.of('error')[0], { worker: 1, pid: 100, message: 'Worker ended: exit code 3' })
    t.match(log.of('warn')[0], { worker: 1, message: 'Worker restarts in 1 s' })
  })
})

t.test('one that was up and cannot start again is tried again, with back-off: the others serve', async (t) => {
  await supervised({ readyWithin: 5 }, (started) => started === 0 ? { ends: 10 } : started === 1 ? {} : { ready: null }, function* ({ fakes, log }) {
    yield* lev.sleep(30)
    // Each is stopped after five seconds.
    t.strictSame(startTimes(fakes), [0, 1, 10, 16, 23])
    t.match(log.of('error')[1], { worker: 1, message: 'Worker was not ready within 5 s' })
    t.equal(fakes[1]?.state, 'ready')
  })
})

t.test('a second worker that cannot start does not end the program', async (t) => {
  await supervised({}, (_started, number) => number === 2 ? { ready: null, ends: 1 } : {}, function* ({ fakes, states }) {
    yield* lev.sleep(6)
    t.strictSame(startTimes(fakes), [0, 1, 2, 4], 'at once, then after 1 s, then after 2')
    t.strictSame(states, [['ready', 2]])
  })
})

t.test('a roll: each new worker is ready before the old one stops, and that has ended before the next', async (t) => {
  await supervised({}, () => ({ drains: 5 }), function* ({ supervisor, fakes, states, log }) {
    yield* lev.sleep(10)
    t.equal(yield* rolled(supervisor), null)
    t.equal(lev.now(), 22)
    t.strictSame(startTimes(fakes), [0, 1, 10, 16])
    t.strictSame(fakes[0]?.stops, [{ pre_drain: 0, drain: 20, at: 11 }])
    t.strictSame(fakes[1]?.stops, [{ pre_drain: 0, drain: 20, at: 17 }])
    t.strictSame(fakes.map(({ retiredFor }) => retiredFor), [20, 20, null, null])
    t.strictSame(fakes.map(({ state }) => state), ['ended', 'ended', 'ready', 'ready'])
    t.strictSame(fakes.map(({ number }) => number), [1, 2, 1, 2])
    t.strictSame(states, [['ready', 2], ['rolling', 10], ['ready', 22]])
    t.equal(messages(log).at(-1), 'Rolled: all workers are new')
    t.notOk(messages(log).some((message) => message.startsWith('Worker ended')), 'no crash')
  })
})

t.test('a roll is given up if a new worker is not ready, or ends: the old ones stay', async (t) => {
  const cases: [Plan, string, number][] = [
    [{ ready: null }, 'was not ready within 30 s', 41],
    [{ ready: null, ends: 4 }, 'ended before it was ready: exit code 3', 15],
  ]
  for (const [plan, why, at] of cases) {
    await supervised({}, (started) => started === 3 ? plan : {}, function* ({ supervisor, fakes, log, states }) {
      yield* lev.sleep(10)
      const error = yield* rolled(supervisor)
      t.type(error, WorkerError)
      const message = `The workers were not replaced, the old ones stay: the new worker 2 (process 103) ${why}`
      t.match(error, { message })
      t.equal(lev.now(), at)
      t.equal(messages(log).at(-1), message)
      t.strictSame(fakes.map(({ state }) => state), ['ended', 'ready', 'ready', 'ended'], 'the first was replaced already')
      t.strictSame(states.at(-1), ['ready', at])
      yield* lev.sleep(100)
      t.equal(fakes.length, 4, 'nothing more is tried')
    })
  }
})

t.test('rolls asked for during a roll are one more', async (t) => {
  await supervised({ count: 1 }, () => ({}), function* ({ supervisor, fakes }) {
    yield* lev.sleep(10)
    const first = supervisor.roll()
    yield* lev.sleep(0.5)
    const second = supervisor.roll()
    t.equal(supervisor.roll(), second)
    yield* lev.wait(first)
    t.equal(lev.now(), 11)
    yield* lev.wait(second)
    t.equal(lev.now(), 12)
    yield* lev.sleep(100)
    t.equal(fakes.length, 3)
  })
})

t.test('a roll before the start is over comes after it', async (t) => {
  await supervised({}, () => ({}), function* ({ supervisor, fakes }) {
    yield* lev.sleep(0.5)
    t.equal(yield* rolled(supervisor), null)
    t.strictSame(startTimes(fakes), [0, 1, 2, 3])
  })
})

t.test('a roll fills the place of a worker that waits for its restart, once', async (t) => {
  const planOf = (started: number, number: number): Plan => number === 1 && started < 6 ? { ends: 1.5 } : {}
  // Worker 1 has crashed for the fifth time at 14.5, and waits for eight seconds; the second roll is starting its worker then.
  for (const at of [16, 22]) {
    await supervised({}, planOf, function* ({ supervisor, fakes }) {
      yield* lev.sleep(at)
      const before = fakes.length
      t.equal(yield* rolled(supervisor), null)
      yield* lev.sleep(60)
      t.equal(fakes.length, before + 2)
      t.equal(fakes.filter(({ state }) => state === 'ready').length, 2)
    })
  }
})

t.test('an old worker that does not end in time is killed', async (t) => {
  await supervised({ count: 1 }, (started) => started === 0 ? { drains: null } : {}, function* ({ supervisor, fakes, log }) {
    yield* lev.sleep(10)
    t.equal(yield* rolled(supervisor), null)
    t.equal(fakes[0]?.endedAt, 11 + 20 + endSeconds)
    t.ok(fakes[0]?.isKilled)
    t.match(log.of('error'), [{ pid: 100, message: 'Worker did not end in time and was killed' }])
  })
})

t.test('a worker that crashes while its predecessor drains is restarted', async (t) => {
  await supervised({ count: 1 }, (started) => started === 0 ? { drains: 15 } : started === 1 ? { ends: 3 } : {}, function* ({ supervisor, fakes }) {
    yield* lev.sleep(10)
    yield* rolled(supervisor)
    t.strictSame(startTimes(fakes), [0, 10, 13])
  })
})

t.test('stop: all at the same time, pre_drain first; the earliest of several counts; the sockets are closed when it drains', async (t) => {
  await supervised({}, () => ({ drains: 12 }), function* ({ supervisor, fakes, states, run }) {
    yield* lev.sleep(10)
    supervisor.stop({ pre_drain: 5, drain: 60 })
    yield* lev.sleep(1)
    supervisor.stop({ pre_drain: 8, drain: 30 })
    yield* run.join()
    t.equal(lev.now(), 22)
    t.strictSame(fakes.map(({ stops }) => stops.map(({ at, drain }) => [at, drain])), [[[10, 60], [11, 30]], [[10, 60], [11, 30]]])
    t.strictSame(states.slice(1), [['stopping', 10], ['draining', 15]])
    const refused = yield* rolled(supervisor)
    t.match(refused, { message: 'the program is stopping' })
  })
})

t.test('stop kills what does not end in time', async (t) => {
  await supervised({}, (started) => started === 0 ? { drains: null } : {}, function* ({ supervisor, fakes, run }) {
    yield* lev.sleep(10)
    supervisor.stop({ pre_drain: 5, drain: 60 })
    yield* run.join()
    t.equal(lev.now(), 10 + 5 + 60 + endSeconds)
    t.strictSame(fakes.map(({ isKilled }) => isKilled), [true, false])
  })
})

t.test('stop during the start, a back-off and a roll: everything that runs is stopped, and nothing is started', async (t) => {
  for (const at of [0.5, 1.5, 3.2, 10.5, 11.5]) {
    await supervised({}, (started, number) => ({ drains: 3, ...(number === 2 && started === 1 ? { ends: 2 } : {}) }), function* ({ supervisor, fakes, run }) {
      const rolls: Promise<unknown>[] = []
      if (at > 10) {
        for (const wait of [10, 0.1]) {
          yield* lev.sleep(wait)
          rolls.push(supervisor.roll().catch((error: unknown) => error))
        }
      }
      yield* lev.sleep(at - lev.now())
      const before = fakes.length
      supervisor.stop({ pre_drain: 0, drain: 20 })
      yield* run.join()
      t.equal(fakes.length, before, `at ${at}`)
      // The one that went on, and the one that was to come.
      for (const roll of rolls) t.match(yield* lev.wait(roll), { message: 'the program is stopping' })
    })
  }
})

t.test('a worker that asks for it is replaced as in a roll, one at a time, and not too soon', async (t) => {
  await supervised({}, (started) => started < 2 ? { worn: 2, drains: 4 } : {}, function* ({ fakes, log, states }) {
    yield* lev.sleep(100)
    // The first is ready at 1, and its successor drains it until 16.
    t.strictSame(startTimes(fakes), [0, 1, 1 + settledSeconds, 16])
    t.match(log.entries.filter(({ message }) => message.startsWith('Replacing')), [
      { message: 'Replacing worker: memory', fields: { worker: 1, pid: 100 } }, { message: 'Replacing worker: memory', fields: { worker: 2, pid: 101 } },
    ])
    t.strictSame(states, [['ready', 2]], 'that is no roll')
  })
})

t.test('a replacement that fails is tried again, not without end', async (t) => {
  await supervised({ count: 1 }, (started) => started === 0 ? { worn: 20 } : started < 3 ? { ready: null, ends: 1 } : {}, function* ({ fakes }) {
    yield* lev.sleep(200)
    t.strictSame(startTimes(fakes), [0, 20, 21 + longestBackOff, 22 + 2 * longestBackOff])
  })
})

t.test('workers are replaced by age, each up to a tenth earlier', async (t) => {
  const randoms = [0, 1]
  await supervised({ age: 100, random: () => randoms.shift() ?? 0.5 }, () => ({}), function* ({ fakes, log }) {
    yield* lev.sleep(150)
    t.strictSame(fakes.map(({ number, startedAt }) => [number, startedAt]), [[1, 0], [2, 1], [2, 92], [1, 101]])
    t.ok(messages(log).includes('Replacing worker: age'))
  })
})
