import fc from 'fast-check'
import t from 'tap'
import { Ring } from '../../../lev/core/ring.js'

t.test('what goes in first comes out first', async (t) => {
  // Positive: so many in; negative: so many out.
  fc.assert(fc.property(fc.array(fc.integer({ min: -150, max: 150 }), { maxLength: 40 }), (acts) => {
    const queue = new Ring<object>()
    const model: object[] = []
    for (const act of acts) {
      for (let count = 0; count < act; count++) {
        const item = {}
        queue.push(item)
        model.push(item)
      }
      for (let count = 0; count < -act; count++) {
        if (queue.take() !== (model.shift() ?? null)) t.fail('another one')
      }
      t.equal(queue.size, model.length)
    }
  }))
})

t.test('a queue that never runs empty needs no more slots than it holds items; one that was long gives its slots back', async (t) => {
  const queue = new Ring<number>()
  for (let item = 0; item < 1000; item++) {
    queue.push(item)
    if (item >= 5 && queue.take() !== item - 5) t.fail('another one')
  }
  t.equal(queue.capacity, 8)
  for (let item = 0; item < 100_000; item++) queue.push(item)
  while (queue.take() !== null);
  t.equal(queue.capacity, 8)
  for (let item = 0; item < 9; item++) queue.push(item)
  queue.clear()
  t.equal(queue.size, 0)
  t.equal(queue.take(), null)
})
