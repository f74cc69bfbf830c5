import { fileURLToPath } from 'node:url'
import t from 'tap'
import { inProcess } from '../support/in-process.js'

const scenarios = fileURLToPath(new URL('async-context-scenarios.js', import.meta.url))

// Each in a process of its own, since the first use of a storage is noted for the whole process.
for (const first of ['inTask', 'outside']) {
  const run = (scenario: string): unknown => JSON.parse(inProcess([scenarios, first, scenario]))

  t.test(`what a handler enters does not reach the next request; storages first used: ${first}`, async (t) => {
    t.strictSame(run('leaks'), {})
    t.strictSame(run('sockets'), {})
  })

  t.test(`what is current when content is handed over is current while it runs; storages first used: ${first}`, async (t) => {
    t.strictSame(run('current'), {})
  })

  t.test(`what is made within run() runs there; storages first used: ${first}`, async (t) => {
    t.strictSame(run('around'), {})
  })

  t.test(`lev.within; storages first used: ${first}`, async (t) => {
    t.strictSame(run('within'), {
      'single start': 'a', 'single later': 'a', 'single spawned': 'a', after: null,
      'nested start': 'b', 'nested later': 'b', 'nested spawned': 'b',
      'outer start': 'a', 'outer later': 'a', 'outer spawned': 'a',
      value: 7, error: 'Error: of the operation', cleanup: 'a', cancelled: 'cancelled',
      notCalled: ['UsageError', false], callFails: ['Error: of the call', false], unused: null, end: null, reported: [],
    })
  })

  t.test(`a first use within a nested context; storages first used: ${first}`, async (t) => {
    t.strictSame(run('nested'), { step: null, later: null, promise: null, next: null })
  })
}
