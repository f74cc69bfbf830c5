import fc from 'fast-check'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import { seed } from '../../support/seed.js'
import { runTask } from './program-model.js'
import { nameOf, perform, tests, type Test } from './programs.js'
import { ran } from '../../support/virtual-run.js'

/** What became of a test: how each program ended and when, and what happened in them. */
interface Story {
  readonly outcomes: readonly string[]
  readonly end: number
  readonly log: readonly string[]
}

async function observed({ program, cancelAt, guests }: Test): Promise<Story> {
  const log: string[] = []
  const outcomes: string[] = []
  let end = 0
  const note = (event: string): void => void log.push(`${lev.now()} ${event}`)
  const { error, reported } = await ran(function* () {
    const promises = guests.map((guest) => lev.run(() => noting(guest)))
    for (const [index, promise] of promises.entries()) {
      promise.then(() => (outcomes[index + 1] = 'a value'), (fault: unknown) => (outcomes[index + 1] = nameOf(fault)))
    }
    const task = lev.spawn(() => noting(program))
    lev.background(function* () {
      yield* lev.sleep(cancelAt)
      task.cancel()
    })
    try {
      yield* task.join()
      outcomes[0] = 'a value'
    } catch (fault) {
      outcomes[0] = nameOf(fault)
    }
  })
  function* noting(what: Test['program']): Op<void> {
    try {
      yield* perform(what, note)
    } finally {
      end = Math.max(end, lev.now())
    }
  }
  if (error !== undefined) throw error
  if (reported.length > 0) throw new AggregateError(reported, 'errors were reported')
  return { outcomes, end, log: log.sort() }
}

function expected({ program, cancelAt, guests }: Test): Story {
  const main = runTask(program, 0, cancelAt)
  const all = [main, ...guests.map((guest) => runTask(guest, 0, main.at))]
  return {
    outcomes: all.map(({ fault, cancelled }) => (fault !== null ? fault.name : cancelled ? 'cancelled' : 'a value')),
    end: Math.max(...all.map(({ at }) => at)),
    log: all.flatMap(({ log }) => log).map(({ at, event }) => `${at} ${event}`).sort(),
  }
}

t.test('random programs do what a model of them says: which cleanup runs and when, what is told, and when all is over', async (t) => {
  await fc.assert(fc.asyncProperty(tests, async (test) => {
    const story = await observed(test)
    const model = expected(test)
    const [one, other] = [JSON.stringify(story, null, 1), JSON.stringify(model, null, 1)]
    if (one !== other) throw new Error(`it was\n${one}\nnot\n${other}`)
  }), { seed, numRuns: Number(process.env.LEV_PROGRAMS ?? 1500) })
  t.pass()
})
