import { fileURLToPath } from 'node:url'
import t from 'tap'
import { inProcess } from '../../support/in-process.js'

const scenarios = fileURLToPath(new URL('async-context-scenarios.js', import.meta.url))

/** Runs scenarios in a process of their own, since the first use of a storage is noted for the whole process. */
const run = (...names: string[]): Record<string, unknown> => JSON.parse(inProcess([scenarios, ...names])) as Record<string, unknown>

const outside = run('outside:follows', 'outside:leaks', 'outside:spawn', 'outside:several', 'around')
const scenario = (name: string): unknown => (name in outside ? outside[name] : run(name)[name])

t.test('a program without stores keeps no contexts', async (t) => {
  t.same(scenario('none'), { inUse: false, wrapped: true })
})

for (const first of ['inTask', 'outside']) {
  t.test(`a store follows its task; storages first used: ${first}`, async (t) => {
    t.same(scenario(`${first}:follows`), {
      start: 'one', slept: 'one', read: 'one', waited: 'one', joined: 'one', spawned: 'one', scoped: 'one', cleanup: 'one',
      other: null, otherLater: 'two', after: null, wrapped: false,
    })
  })

  t.test(`nothing leaks into the driver; storages first used: ${first}`, async (t) => {
    t.same(scenario(`${first}:leaks`), { gone: null, timer: null, reported: null, nextRun: null })
  })

  t.test(`als.run around spawn; storages first used: ${first}`, async (t) => {
    t.same(scenario(`${first}:spawn`), { spawned: ['a', 'a'], parent: [null, null], nested: ['b', 'b'] })
  })

  t.test(`several storages in one step; storages first used: ${first}`, async (t) => {
    t.same(scenario(`${first}:several`), { here: [1, 2, 3], later: [1, 2, 3], inner: [1, 2, 4], sibling: [null, null, null], outside: [null, null, null] })
  })
}

t.test('what lev.run is called in is what its task has', async (t) => {
  t.same(scenario('around'), { main: 'outer', later: 'outer', child: 'outer' })
})

t.test('two copies of the module do each other no harm', async (t) => {
  t.same(scenario('copies'), { first: true, second: true, wrapped: false, store: 'x' })
})
