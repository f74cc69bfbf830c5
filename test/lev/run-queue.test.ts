import fc from 'fast-check'
import t from 'tap'
import { RunQueue, type Runnable } from '../../lev/run-queue.js'

t.test('what goes in first comes out first', async (t) => {
  // Positive: so many in; negative: so many out.
  fc.assert(fc.property(fc.array(fc.integer({ min: -150, max: 150 }), { maxLength: 40 }), (acts) => {
    const queue = new RunQueue()
    const model: Runnable[] = []
    for (const act of acts) {
      for (let count = 0; count < act; count++) {
        const runnable = { run() {} }
        queue.push(runnable)
        model.push(runnable)
      }
      for (let count = 0; count < -act; count++) {
        if (queue.take() !== (model.shift() ?? null)) t.fail('another one')
      }
      t.equal(queue.size, model.length)
    }
  }))
})
