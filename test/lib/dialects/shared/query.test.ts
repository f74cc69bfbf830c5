import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { queryPairs, tableOf } from '../../../../lib/dialects/shared/query.js'

t.test('pairs of a query', async (t) => {
  const cases: [args: string, pairs: [string, string][]][] = [
    ['', []],
    ['a=1&b=2', [['a', '1'], ['b', '2']]],
    ['a=1&a=2', [['a', '1'], ['a', '2']]],
    ['a', [['a', '']]],
    ['a=', [['a', '']]],
    ['=1', [['', '1']]],
    ['a=b=c', [['a', 'b=c']]],
    ['&&a=1&', [['a', '1']]],
    ['a+b=%20c+d', [['a b', ' c d']]],
    ['%C3%B6=%e2%82%ac', [['ö', '€']]],
    ['a=%zz%4', [['a', '%zz%4']]],
    ['a=%ff', [['a', '\ufffd']]],
    ['?a=1', [['?a', '1']]],
  ]
  for (const [args, pairs] of cases) t.strictSame(queryPairs(args), pairs, args)
})

t.test('a table of names that clients chose', async (t) => {
  const table = tableOf([['a', '1'], ['__proto__', '2'], ['a', '3']])
  t.equal(table.a, '3')
  t.equal(table.__proto__, '2')
  t.equal(table.constructor, undefined)
  t.equal(table.toString, undefined)
  t.notOk('hasOwnProperty' in table)
  t.ok('a' in table)
  t.strictSame(Object.keys(table), ['a', '__proto__'])
  t.equal(JSON.stringify(table), '{"a":"3","__proto__":"2"}')
  t.strictSame({ ...tableOf([['b', '4']]) }, { b: '4' })
  t.ok(isDeepStrictEqual(tableOf([['b', '4']]), { b: '4' }))
})
