import fc from 'fast-check'
import t from 'tap'
import { OutputQueue } from '../../../lev/io/output-queue.js'

const text = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 40 })
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array)),
  fc.nat(6000).map((size) => Buffer.alloc(size, size)),
)
type Act = string | Buffer | number
const acts = fc.array(fc.oneof<fc.Arbitrary<Act>[]>(text, bytes, fc.integer({ min: 1, max: 9000 })), { maxLength: 60 })

const asBytes = (part: Buffer | string): Buffer => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)

t.test('what is taken out is what was put in, in order', async (t) => {
  fc.assert(fc.property(acts, (acts) => {
    const queue = new OutputQueue()
    let model = Buffer.alloc(0)
    for (const act of acts) {
      if (typeof act === 'number') {
        const taken = Buffer.concat(queue.take(act).map(asBytes))
        if (!taken.equals(model.subarray(0, act))) t.fail('other bytes')
        model = model.subarray(act)
      } else {
        queue.push(act)
        model = Buffer.concat([model, asBytes(act)])
      }
      if (queue.size !== model.length) t.fail(`${queue.size} is not ${model.length}`)
    }
    t.ok(Buffer.concat(queue.take(Infinity).map(asBytes)).equals(model))
    t.equal(queue.size, 0)
    t.same(queue.take(10), [])
  }), { numRuns: 300 })
})

t.test('small pieces are joined, so that they leave in few writes', async (t) => {
  const queue = new OutputQueue()
  for (let count = 0; count < 100; count++) {
    queue.push('head')
    queue.push(Buffer.from('body'))
    queue.push('')
  }
  t.same(queue.take(1000), ['headbody'.repeat(100)])
  const large = Buffer.alloc(10_000)
  queue.push('head')
  queue.push(large)
  queue.push('tail')
  const parts = queue.take(100_000)
  t.equal(parts.length, 3)
  t.equal(parts[1], large, 'large pieces are not copied')
})

t.test('thousands of pieces that leave a few at a time, while others come', async (t) => {
  const queue = new OutputQueue()
  const expected: string[] = []
  const taken: string[] = []
  for (let round = 0; round < 3000; round++) {
    for (let count = round < 1500 ? 4 : 1; count > 0; count--) {
      const piece = `${expected.length}`.padEnd(10, '.')
      expected.push(piece)
      queue.push(expected.length % 3 === 0 ? piece : Buffer.from(piece))
    }
    taken.push(Buffer.concat(queue.take(25).map(asBytes)).toString())
  }
  for (let part = queue.take(1000); part.length > 0; part = queue.take(1000)) taken.push(Buffer.concat(part.map(asBytes)).toString())
  t.ok(taken.join('') === expected.join(''))
  t.equal(queue.size, 0)
})

t.test('clear forgets all', async (t) => {
  const queue = new OutputQueue()
  queue.push('x')
  queue.clear()
  t.equal(queue.size, 0)
  t.same(queue.take(10), [])
})
