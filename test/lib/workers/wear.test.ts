import { channel } from 'node:diagnostics_channel'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import { memorySeconds, watchWear } from '../../../lib/workers/wear.js'
import { virtual } from '../../../testing/virtual.js'

/** What is told, and when, with `story` meanwhile. */
async function worn(memory: number | null, requests: number | null, story: () => void = () => {}): Promise<[string, number][]> {
  return await virtual(() => lev.scope(function* (tasks) {
    const told: [string, number][] = []
    tasks.background(() => watchWear({ memory, requests }, (reason) => told.push([reason, lev.now()])))
    story()
    yield* lev.sleep(2.5 * memorySeconds)
    return told
  }))
}

t.test('memory above the limit is told, as long as it is', async (t) => {
  t.strictSame(await worn(1, null), [['memory', memorySeconds], ['memory', 2 * memorySeconds]])
  t.strictSame(await worn(Number.MAX_SAFE_INTEGER, null), [])
})

t.test('the number of requests is told once', async (t) => {
  const ended = channel('leveret:request:end')
  const publish = (count: number) => (): void => {
    for (let at = 0; at < count; at++) ended.publish({})
  }
  t.strictSame(await worn(null, 3, publish(2)), [])
  t.strictSame(await worn(null, 3, publish(5)), [['requests', 0]])
  t.notOk(ended.hasSubscribers, 'nothing is left')
})
