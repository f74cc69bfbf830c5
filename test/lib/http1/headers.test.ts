import { inspect } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { NO_FIELDS, requestHeaders } from '../../../lib/http1/headers.js'
import type { FieldBlock } from '../../../lib/http1/headers.js'
import { seed } from '../../support/seed.js'
import { readHead } from './support.js'

function block(...lines: string[]): FieldBlock {
  const { head } = readHead(['GET / HTTP/1.0', ...lines, '', ''].join('\r\n'))
  if (head === null) throw new Error('not a head')
  return head.fields
}

t.test('looking fields up', async (t) => {
  const fields = block('Accept: a', 'X-A: 1', 'accept: b', 'Cookie: c=1', 'COOKIE: d=2', 'Empty:', 'ACCEPT:')
  t.equal(fields.lines().length, 7)
  t.equal(fields.get('accept'), 'a, b, ')
  t.equal(fields.get('cookie'), 'c=1; d=2')
  t.equal(fields.get('empty'), '')
  t.equal(fields.get('x-b'), undefined)
  t.equal(fields.get('Accept'), undefined, 'names are asked for in lowercase')
  t.equal(fields.has('x-a'), true)
  t.equal(fields.has('x-b'), false)
  t.same(fields.names(), ['accept', 'x-a', 'cookie', 'empty'])
  t.same(Object.entries(fields.toObject()), [['accept', 'a, b, '], ['x-a', '1'], ['cookie', 'c=1; d=2'], ['empty', '']])
  t.same(fields.lines()[4], ['COOKIE', 'd=2'])
  t.same([NO_FIELDS.lines(), NO_FIELDS.get('a'), NO_FIELDS.names()], [[], undefined, []])
})

t.test('set-cookie is a field like any other', async (t) => {
  t.equal(block('Set-Cookie: a', 'Set-Cookie: b').get('set-cookie'), 'a, b')
})

t.test('case folding touches letters only', async (t) => {
  const fields = block('X^_`|~: 1', 'X@: 2'.replace('@', '~'))
  t.equal(fields.get('x^_`|~'), '1')
  t.equal(fields.get('x~_`|~'), undefined)
  t.equal(fields.get('x^'), undefined)
})

t.test('names that mean something to JavaScript', async (t) => {
  const odd = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', '__defineGetter__', 'then']
  const none = requestHeaders(block('a: b'), { 'x-client-ip': '1.2.3.4' })
  for (const name of odd) {
    t.equal(none[name], undefined, name)
    t.equal(name in none, false, name)
  }
  t.same(Object.keys(none), ['a', 'x-client-ip'])
  for (const name of odd) t.equal(none[name], undefined, `${name}, listed`)
  const all = requestHeaders(block(...odd.map((name) => `${name}: sent`)), {})
  for (const name of odd) t.equal(all[name.toLowerCase()], 'sent', name)
  t.equal(Object.getPrototypeOf(all), null)
  t.same(Object.keys(all).sort(), odd.map((name) => name.toLowerCase()).sort())
  t.equal(Object.keys({ ...all }).length, odd.length)
  t.equal(JSON.parse(JSON.stringify(all)).constructor, 'sent')
  t.equal(({} as Record<string, unknown>)['sent'], undefined)
})

t.test('it looks like an ordinary object', async (t) => {
  const fields = block('Host: a.test', 'Accept: x', 'X-Real-IP: 6.6.6.6')
  const make = () => requestHeaders(fields, { 'x-real-ip': '1.2.3.4' })
  const plain = { host: 'a.test', accept: 'x', 'x-real-ip': '1.2.3.4' }
  t.same({ ...make() }, plain)
  t.same(Object.keys(make()), Object.keys(plain))
  t.same(Object.entries(make()), Object.entries(plain))
  t.equal(JSON.stringify(make()), JSON.stringify(plain))
  t.equal(inspect(make()), inspect(plain))
  t.equal(inspect({ headers: make() }), inspect({ headers: plain }))
  t.equal('accept' in make(), true)
  t.equal('x-real-ip' in make(), true)
  t.equal('nothing' in make(), false)
  t.equal(Object.hasOwn(make(), 'host'), true)
  t.equal(Object.hasOwn(make(), 'nothing'), false)
  const names: string[] = []
  for (const name in make()) names.push(name)
  t.same(names, Object.keys(plain))
  const { host, ...others } = make()
  t.same([host, others], ['a.test', { accept: 'x', 'x-real-ip': '1.2.3.4' }])
  t.equal(make()['x-real-ip'], '1.2.3.4')
})

t.test('what a handler writes stays in it', async (t) => {
  const fields = block('Host: a.test', 'Accept: x')
  const headers = requestHeaders(fields, { 'x-client-ip': '1.2.3.4' })
  headers['accept'] = 'y'
  headers['new'] = 'z'
  delete headers['host']
  headers['__proto__'] = 'p'
  t.same(Object.entries(headers), [['accept', 'y'], ['x-client-ip', '1.2.3.4'], ['new', 'z'], ['__proto__', 'p']])
  t.equal(headers['host'], undefined)
  t.equal('host' in headers, false)
  t.equal(fields.get('host'), 'a.test')
  t.same(requestHeaders(fields, {})['accept'], 'x')
  const child: Record<string, string | undefined> = Object.create(headers)
  child['accept'] = 'child'
  t.equal(headers['accept'], 'y', 'an object that inherits from it has its own')
  Object.freeze(headers)
  t.ok(Object.isFrozen(headers))
  t.equal(headers['accept'], 'y')
  t.throws(() => { headers['accept'] = 'w' }, TypeError)
  t.equal(Object.keys(headers).length, 4)
  t.doesNotThrow(() => Object.getPrototypeOf(headers))
})

t.test('the rules of the language for proxies', async (t) => {
  const make = () => requestHeaders(block('Host: a.test', 'Accept: x'), {})
  const fixed = make()
  Object.defineProperty(fixed, 'host', { value: 'b.test', writable: false, configurable: false })
  t.same(Object.getOwnPropertyDescriptor(fixed, 'host')?.configurable, false)
  t.same(fixed['host'], 'b.test')
  t.throws(() => { fixed['host'] = 'c.test' }, TypeError)
  t.same({ ...fixed }, { host: 'b.test', accept: 'x' })
  const hidden = make()
  Object.defineProperty(hidden, 'mine', { value: 'a' })
  t.same([Object.keys(hidden), hidden['mine'], 'mine' in hidden], [['host', 'accept'], 'a', true])
  const open = make()
  Object.defineProperty(open, 'host', { enumerable: false })
  t.same([Object.keys(open), open['host']], [['accept'], 'a.test'])
  const sealed = Object.seal(make())
  sealed['accept'] = 'y'
  t.throws(() => { delete sealed['accept'] }, TypeError)
  t.throws(() => { sealed['new'] = 'z' }, TypeError)
  t.same({ ...sealed }, { host: 'a.test', accept: 'y' })
  const symbol = Symbol('mine')
  const marked: Record<symbol, unknown> = make()
  marked[symbol] = 1
  t.same([marked[symbol], symbol in marked, Reflect.ownKeys(marked).length], [1, true, 3])
})

t.test('one by one or all at once: the same', async () => {
  const name = fc.string({ unit: fc.constantFrom(...'aAbB-^~'), minLength: 1, maxLength: 3 })
  fc.assert(
    fc.property(fc.array(fc.tuple(name, fc.stringMatching(/^[a-z]{0,3}$/)), { maxLength: 12 }), (pairs) => {
      const fields = block(...pairs.map(([key, value]) => `${key}: ${value}`))
      const all = fields.toObject()
      const headers = requestHeaders(fields, {})
      return (
        JSON.stringify(Object.keys(all)) === JSON.stringify(fields.names()) &&
        fields.names().every((key) => fields.get(key) === all[key] && fields.has(key) && headers[key] === all[key]) &&
        JSON.stringify(headers) === JSON.stringify(all)
      )
    }),
    { seed, numRuns: 500 },
  )
})

t.test('fields set first are as those set after all were listed', async () => {
  const name = fc.constantFrom('host', 'accept', 'x-ip', 'new', 'Upper', '__proto__', 'toString')
  const change = fc.oneof(fc.record({ name, value: fc.constantFrom('a', '', undefined) }), fc.record({ removed: name }))
  fc.assert(
    fc.property(fc.array(change, { maxLength: 5 }), (changes) => {
      const extra = { 'x-ip': '192.0.2.1' }
      const make = () => requestHeaders(block('Host: a.test', 'Accept: x', 'X-IP: forged'), extra)
      const [early, late, heir] = [make(), make(), Object.create(make()) as ReturnType<typeof make>]
      Object.keys(late)
      heir.accept = 'its own'
      for (const headers of [early, late]) {
        for (const one of changes) {
          if ('removed' in one) Reflect.deleteProperty(headers, one.removed)
          else headers[one.name] = one.value
        }
      }
      return (
        changes.every((one) => early['name' in one ? one.name : one.removed] === late['name' in one ? one.name : one.removed]) &&
        changes.every((one) => ('name' in one ? one.name : one.removed) in early === ('name' in one ? one.name : one.removed) in late) &&
        JSON.stringify(Object.entries(early).sort()) === JSON.stringify(Object.entries(late).sort()) &&
        extra['x-ip'] === '192.0.2.1' && Object.keys(extra).length === 1 && make().accept === 'x' && Object.hasOwn(heir, 'accept')
      )
    }),
    { seed, numRuns: 500 },
  )
})
