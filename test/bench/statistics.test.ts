import fc from 'fast-check'
import t from 'tap'
import { median, percentile, ratios, spread } from '../../bench/statistics.js'

t.test('the median is the value in the middle', async (t) => {
  t.equal(median([3]), 3)
  t.equal(median([9, 1, 5]), 5)
  t.equal(median([4, 1, 2, 100]), 3)
  t.throws(() => median([]), RangeError)
})

t.test('as many values lie below the median as above, and the values stay as they are', async () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1 }), (values) => {
    const before = [...values]
    const middle = median(values)
    const below = values.filter((value) => value < middle).length
    const above = values.filter((value) => value > middle).length
    return below <= values.length / 2 && above <= values.length / 2 && before.join() === values.join()
  }))
})

t.test('a spread reaches from the least to the greatest', async (t) => {
  t.same(spread([2, 8, 3]), { median: 3, min: 2, max: 8 })
  t.throws(() => spread([]), RangeError)
})

t.test('ratios are made round by round', async (t) => {
  // The machine was half as fast in the second round: that leaves no trace.
  t.same(ratios([5, 10, 6], [10, 20, 10]), { median: 0.5, min: 0.5, max: 0.6 })
  t.throws(() => ratios([1, 2], [1]), RangeError)
  t.throws(() => ratios([], []), RangeError)
})

t.test('a percentile is a value that so many do not exceed', async (t) => {
  const values = Float64Array.from({ length: 2000 }, (_, index) => index + 1)
  t.equal(percentile(values, 0.5), 1000)
  t.equal(percentile(values, 0.99), 1980)
  t.equal(percentile(values, 0.999), null, 'two values beyond it tell nothing')
  t.equal(percentile(Float64Array.of(7), 0.5), 7)
  t.equal(percentile(new Float64Array(), 0.5), null)
})
