import fc from 'fast-check'
import t from 'tap'
import { queryValues } from '../../../../lib/web/router/query-values.js'
import { seed } from '../../../support/seed.js'

t.test('a table', async (t) => {
  const table: readonly [args: string, values: Record<string, unknown>][] = [
    ['', {}],
    ['a=1&b=2', { a: '1', b: '2' }],
    ['a=1&a=2&a=3', { a: ['1', '2', '3'] }],
    ['a', { a: '' }],
    ['&&a=&=b&', { 'a': '', '': 'b' }],
    ['a=b=c', { a: 'b=c' }],
    ['a%20b=c+d', { 'a b': 'c d' }],
    ['__proto__=1&toString=2', { ['__proto__']: '1', 'toString': '2' }],
  ]
  for (const [args, values] of table) t.strictSame(JSON.stringify(queryValues(args)), JSON.stringify(values), args)
  t.equal(Object.getPrototypeOf(queryValues('a=1')), null)
})

t.test('a name that is sent thousands of times costs about as much as as many names', async (t) => {
  const time = (args: string): number => {
    const began = performance.now()
    queryValues(args)
    return performance.now() - began
  }
  const names = Array.from({ length: 5000 }, (_, at) => `a${at}`).join('&')
  const best = (args: string): number => Math.min(...[1, 2, 3].map(() => time(args)))
  // A list that is copied for each takes some hundred times as long.
  t.ok(best('a&'.repeat(5000)) < 10 * best(names))
})

t.test('as URLSearchParams reads them', async () => {
  const args = fc.string({ unit: fc.constantFrom(...'ab=&+%20?é#'), maxLength: 12 })
  fc.assert(fc.property(args, (args) => {
    const expected = new Map<string, string | string[]>()
    for (const [name] of new URLSearchParams(args)) {
      const all = new URLSearchParams(args).getAll(name)
      expected.set(name, all.length === 1 ? all[0] : all)
    }
    return JSON.stringify(Object.entries(queryValues(args)).sort()) === JSON.stringify([...expected].sort())
  }), { seed, numRuns: 2000 })
})
