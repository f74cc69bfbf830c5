import fc from 'fast-check'
import t from 'tap'
import { WaitQueue } from '../../../lev/core/wait-queue.js'

t.test('what joins first is taken first, unless it leaves before', async (t) => {
  // From 0: the one that leaves, of all that have joined so far.
  const acts = fc.array(fc.oneof(fc.constantFrom('join', 'take'), fc.nat(30)), { maxLength: 100 })
  fc.assert(fc.property(acts, (all) => {
    const queue = new WaitQueue<number>()
    const leave: (() => void)[] = []
    let model: number[] = []
    for (const act of all) {
      if (act === 'join') {
        model.push(leave.length)
        leave.push(queue.join(leave.length))
      } else if (act === 'take') {
        if (queue.take() !== (model.shift() ?? null)) t.fail('another one')
      } else if (typeof act === 'number' && act < leave.length) {
        leave[act]()
        model = model.filter((one) => one !== act)
      }
    }
    for (const one of model) t.equal(queue.take(), one)
    t.equal(queue.take(), null)
  }))
})
