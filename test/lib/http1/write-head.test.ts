import { STATUS_CODES } from 'node:http'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { LAST_CHUNK, putChunk } from '../../../lib/http1/chunk-framing.js'
import { dateLine } from '../../../lib/http1/date.js'
import { interimHead, responseHead, upgradeHead, type Persistence } from '../../../lib/http1/write-head.js'
import { CHUNKED, NO_LENGTH, UNTIL_CLOSE } from '../../../lib/http1/response-framing.js'
import { ResponseError, declaredLength, headerOf, type ResponseHeaders } from '../../../lib/http1/response-headers.js'
import { hasContent, reasonOf } from '../../../lib/http1/status.js'
import { seed } from '../../support/seed.js'

const DATE = 'Date: D\r\n'
const alive = (minorVersion: 0 | 1 = 1): Persistence => ({ minorVersion, keepAlive: true, idleTimeout: 0 })
const dying = (minorVersion: 0 | 1 = 1): Persistence => ({ minorVersion, keepAlive: false, idleTimeout: 0 })

function lines(headers: ResponseHeaders | null, length = 0, connection = alive(), status = 200): string[] {
  const head = responseHead(status, headers, length, connection, DATE)
  if (!head.endsWith('\r\n\r\n')) throw new Error('no empty line')
  return head.slice(0, -4).split('\r\n')
}

function refused(t: Test, header: string | null, message: RegExp, make: () => unknown): void {
  try {
    make()
    t.fail(`not refused: ${String(message)}`)
  } catch (error) {
    t.ok(error instanceof ResponseError)
    if (error instanceof ResponseError) {
      t.same([error.code, error.name, error.header], ['LEVERET_RESPONSE', 'ResponseError', header])
      t.match(error.message, message)
    }
  }
}

t.test('the usual response', async (t) => {
  t.equal(
    responseHead(200, { 'Content-Type': 'text/plain', 'X-Number': 5 }, 13, alive(), 'Date: now\r\n'),
    'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Number: 5\r\nContent-Length: 13\r\nDate: now\r\n\r\n',
  )
  t.same(lines(null), ['HTTP/1.1 200 OK', 'Content-Length: 0', 'Date: D'])
  t.equal(responseHead(200, undefined, 0, alive(), ''), 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
})

t.test('status lines', async (t) => {
  t.equal(lines(null, 0, alive(), 404)[0], 'HTTP/1.1 404 Not Found')
  t.equal(lines(null, 0, alive(), 299)[0], 'HTTP/1.1 299 ', 'the space stays')
  t.equal(lines(null, 0, alive(), 599)[0], 'HTTP/1.1 599 ')
  for (let status = 100; status < 1000; status++) {
    if (reasonOf(status) !== '') t.ok(status in STATUS_CODES, `${status} is a status of node:http too`)
  }
  t.same([reasonOf(418), reasonOf(299)], ["I'm a teapot", ''])
  const wrong = [100, 101, 199, 600, 999, 0, -200, 200.5, NaN, Infinity] as number[]
  for (const status of wrong) refused(t, null, /the status is not an integer/, () => lines(null, 0, alive(), status))
  const odd: unknown[] = ['200', null, {}, [200], Symbol('200'), 200n]
  for (const status of odd) refused(t, null, /the status is not/, () => lines(null, 0, alive(), status as number))
})

t.test('content and its length', async (t) => {
  t.same(lines(null, CHUNKED), ['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', 'Date: D'])
  t.same(lines(null, NO_LENGTH), ['HTTP/1.1 200 OK', 'Date: D'])
  t.same(lines(null, UNTIL_CLOSE), ['HTTP/1.1 200 OK', 'Connection: close', 'Date: D'])
  t.same(lines(null, 5, alive(), 204), ['HTTP/1.1 204 No Content', 'Date: D'])
  t.same(lines({ 'Content-Length': 5 }, 0, alive(), 204), ['HTTP/1.1 204 No Content', 'Date: D'])
  t.same(lines({ 'Content-Length': 5 }, 0, alive(), 205).slice(1), ['Content-Length: 0', 'Date: D'])
  t.same(lines(null, CHUNKED, alive(), 204), ['HTTP/1.1 204 No Content', 'Date: D'])
  t.same(lines(null, 5, alive(), 304), ['HTTP/1.1 304 Not Modified', 'Date: D'])
  t.same(lines({ 'content-length': '5' }, 0, alive(), 304)[1], 'Content-Length: 5')
  t.same(lines({ 'content-length': '5' }, NO_LENGTH)[1], 'Content-Length: 5')
  t.same(lines({ 'Content-length': ['5'] }, 5)[1], 'Content-Length: 5')
  t.same(lines({ 'Content-Length': 6 }, 5).slice(1), ['Content-Length: 5', 'Date: D'], 'the true length')
  t.same(lines({ 'Content-Length': 6 }, CHUNKED).slice(1), ['Transfer-Encoding: chunked', 'Date: D'])
  t.same(lines({ 'Content-Length': 6 }, UNTIL_CLOSE).slice(1), ['Connection: close', 'Date: D'])
  for (const length of ['', '-1', '+1', '0x10', '1e3', ' 1', '1.5', '1'.repeat(16), -1, 1.5, NaN, [1, 1], {}]) {
    refused(t, 'content-length', /./, () => lines({ 'content-length': length as number }, 1))
  }
  for (const name of ['transfer-encoding', 'Transfer-Encoding', 'TRANSFER-ENCODING']) {
    t.same(lines({ [name]: 'gzip' }, CHUNKED).slice(1), ['Transfer-Encoding: chunked', 'Date: D'])
    t.same(lines({ [name]: 'chunked' }, 5).slice(1), ['Content-Length: 5', 'Date: D'])
  }
  for (const name of ['Keep-Alive', 'keep-alive', 'Proxy-Connection', 'TE']) {
    t.same(lines({ [name]: 'timeout=5' }, 5).slice(1), ['Content-Length: 5', 'Date: D'], `${name} is of another connection`)
    t.notMatch(upgradeHead({ Upgrade: 'x', [name]: 'timeout=5' }, DATE), name)
  }
  const table: [string, number, boolean][] = [
    ['GET', 200, true], ['HEAD', 200, false], ['POST', 204, false], ['GET', 205, false], ['GET', 304, false],
    ['GET', 101, false], ['GET', 404, true],
  ]
  for (const [method, status, expected] of table) t.equal(hasContent(method, status), expected, `${method} ${status}`)
})

t.test('a header given twice in other cases', async (t) => {
  t.same(lines({ 'Content-Type': 'a', 'X-A': '1', 'content-type': 'b' }).slice(1, 3), ['content-type: b', 'X-A: 1'])
  t.same(lines({ 'set-cookie': 'a=b', 'Set-Cookie': 'c=d' }).slice(1, 3), ['set-cookie: a=b', 'Set-Cookie: c=d'])
  t.same(lines({ 'Content-Length': 1, 'content-length': 7 }, NO_LENGTH)[1], 'Content-Length: 7')
  t.same(lines({ Connection: 'close', connection: 'keep-alive' }), ['HTTP/1.1 200 OK', 'Content-Length: 0', 'Date: D'])
  t.same(lines({ 'X-A': 'a', 'x-a': null }), ['HTTP/1.1 200 OK', 'Content-Length: 0', 'Date: D'], 'null takes it away')
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`X-${n}`, n]))
  const found = lines({ ...many, 'x-3': 'later', 'x-39': 'last' })
  t.equal(found.length, 43)
  t.same(found.filter((line) => /^x-39?:/i.test(line)), ['x-3: later', 'x-39: last'])
  t.equal(headerOf({ 'Content-Type': 'a', 'content-type': 'b' }, 'content-type'), 'b')
})

t.test('Connection', async (t) => {
  const connection = (made: Persistence, value?: string | string[], length = 0): [string | undefined, boolean] => {
    const found = lines(value === undefined ? null : { 'connection': value }, length, made)
    return [found.find((line) => /^connection:/i.test(line)), made.keepAlive]
  }
  t.same(connection(alive()), [undefined, true])
  t.same(connection(alive(0)), ['Connection: keep-alive', true])
  t.same(connection(dying()), ['Connection: close', false])
  t.same(connection(dying(0)), ['Connection: close', false])
  t.same(connection(alive(), 'close'), ['Connection: close', false])
  t.same(connection(alive(0), 'Close'), ['Connection: close', false])
  t.same(connection(alive(), ['x', 'close']), ['Connection: close, x', false])
  t.same(connection(alive(), 'keep-alive'), [undefined, true])
  t.same(connection(dying(), 'keep-alive'), ['Connection: close', false], 'the server has the last word')
  t.same(connection(alive(), ' Upgrade , ,'), ['Connection: Upgrade', true])
  t.same(connection(alive(0), 'upgrade'), ['Connection: keep-alive, upgrade', true])
  t.same(connection(alive(0), undefined, UNTIL_CLOSE), ['Connection: close', false])
  refused(t, 'connection', /control character/, () => lines({ connection: 'close\r\nX: y' }))
})

t.test('Keep-Alive tells how long the connection waits, in whole seconds, and is an option of the connection', async (t) => {
  for (const minorVersion of [1, 0] as const) {
    const told = (idleTimeout: number, keepAlive = true, value: string | null = null, length = 0) =>
      lines({ connection: value }, length, { minorVersion, keepAlive, idleTimeout }).filter((line) => /^(connection|keep-alive):/i.test(line))
    const alive = ['Connection: keep-alive', 'Keep-Alive: timeout=15']
    t.same(told(15), alive)
    t.same(told(2.9), ['Connection: keep-alive', 'Keep-Alive: timeout=2'])
    t.same(told(3600), ['Connection: keep-alive', 'Keep-Alive: timeout=3600'])
    t.same(told(15), alive, 'again')
    t.same(told(0.9), minorVersion === 1 ? [] : ['Connection: keep-alive'], 'timeout=0 would forbid the next request')
    t.same(told(15, false), ['Connection: close'])
    t.same(told(15, true, 'close'), ['Connection: close'])
    t.same(told(15, true, 'upgrade'), ['Connection: keep-alive, upgrade', 'Keep-Alive: timeout=15'])
    t.same(told(15, true, null, UNTIL_CLOSE), ['Connection: close'])
  }
})

t.test('Date', async (t) => {
  t.same(lines({ date: 'mine' }), ['HTTP/1.1 200 OK', 'Content-Length: 0', 'date: mine'])
  t.equal(dateLine(784111777), 'Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n')
  t.equal(dateLine(784111777.999), 'Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n')
  t.equal(dateLine(0), 'Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n')
  t.equal(dateLine(784111777.1), 'Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n')
  t.equal(dateLine(784111777.9), 'Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n')
  t.equal(dateLine(784111778), 'Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n')
  t.equal(dateLine(784111777), 'Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n', 'a clock may go back')
})

t.test('values', async (t) => {
  const several = lines({ 'Set-Cookie': ['a=b', 'c=d'], etag: '"x"' })
  t.same(several.slice(1, 4), ['Set-Cookie: a=b', 'Set-Cookie: c=d', 'etag: "x"'])
  t.same(lines({ a: null, b: undefined, c: '', d: [], e: 0 }).slice(1, 3), ['c: ', 'e: 0'])
  t.equal(lines({ a: '\t\x20~\x80\xff' })[1], 'a: \t\x20~\x80\xff')
  for (const value of ['\r', '\n', '\0', 'a\r\nSet-Cookie: b', '\x1b', '\x7f', ['ok', 'a\nb']]) {
    refused(t, 'x-a', /^header "x-a": the value holds U\+00.., a control character$/, () => lines({ 'x-a': value }))
  }
  refused(t, 'x-a', /U\+20AC, which is not latin1/, () => lines({ 'x-a': '5 \u20ac' }))
  refused(t, 'x-a', /U\+010D, which is not latin1/, () => lines({ 'x-a': '\u010d\u010a' }))
  const odd: unknown[] = [
    true, NaN, Infinity, {}, Symbol('a'), 5n, () => 'a', [['a']], [undefined], new Date(0), Buffer.from('a'),
  ]
  for (const value of odd) refused(t, 'x-a', /neither a string nor a finite/, () => lines({ 'x-a': value as string }))
})

t.test('names', async (t) => {
  for (const name of ['', ' ', 'a b', 'a:', 'a\r\nb', 'a\0', '\xe9', 'a(b)', '"a"', 'a\u010a']) {
    refused(t, name, /the name is not a token/, () => lines({ [name]: 'x' }))
    refused(t, name, /the name is not a token/, () => lines({ [name]: 'x' }))
  }
  t.equal(lines({ 'X-!#$%&\'*+-.^_`|~': '' })[1], 'X-!#$%&\'*+-.^_`|~: ')
  t.equal(lines(JSON.parse('{"__proto__":"a"}'))[1], '__proto__: a')
  for (let n = 0; n < 2000; n++) lines({ [`x-${n}`]: 'a' })
  t.equal(lines({ 'content-type': 'a' })[1], 'content-type: a', 'many names')
})

t.test('headers have to be a plain object', async (t) => {
  const odd: unknown[] = [new Map([['a', 'b']]), new Headers({ a: 'b' }), [], [['a', 'b']], 'a: b', 5]
  for (const headers of odd) refused(t, null, /not a plain object/, () => lines(headers as ResponseHeaders))
  t.same(lines(Object.create({ inherited: 'x' }))[1], 'Content-Length: 0')
  t.same(lines(Object.assign(Object.create(null), { a: 'b' }))[1], 'a: b')
})

t.test('looking into a handler\'s headers', async (t) => {
  t.equal(headerOf({ 'X-A': 1, 'Content-Type': 'a' }, 'content-type'), 'a')
  t.equal(headerOf({ 'Content-Typo': 'a' }, 'content-type'), undefined)
  t.equal(headerOf(null, 'a'), undefined)
  t.equal(declaredLength({ 'CONTENT-LENGTH': '5' }), 5)
  t.equal(declaredLength({ 'content-length': null }), -1)
  t.equal(declaredLength(undefined), -1)
  refused(t, 'content-length', /not a length/, () => declaredLength({ 'content-length': 'x' }))
})

t.test('upgrades, interim responses, chunks', async (t) => {
  t.equal(
    upgradeHead({ Upgrade: 'websocket', 'Sec-WebSocket-Accept': 'x' }, DATE),
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n' +
      'Connection: Upgrade\r\nDate: D\r\n\r\n',
  )
  for (const name of ['Connection', 'Content-Length', 'transfer-encoding']) {
    refused(t, name, /when protocols change/, () => upgradeHead({ [name]: '1' }, DATE))
  }
  refused(t, 'a', /control character/, () => upgradeHead({ a: '\r\n' }, DATE))
  t.equal(upgradeHead({ a: null, date: 'mine' }, DATE).includes('date: mine\r\nConnection'), true)
  t.same([interimHead(100, {}), LAST_CHUNK], ['HTTP/1.1 100 Continue\r\n\r\n', '0\r\n\r\n'])
  for (const [size, line] of [[1, '1\r\n'], [255, 'ff\r\n'], [4096, '1000\r\n']] as const) {
    const put: (Buffer | string)[] = []
    const output = { put: (data: Buffer | string): void => void put.push(data) }
    putChunk(output, 'x'.repeat(size))
    putChunk(output, Buffer.alloc(size, 'x'))
    t.equal(put.join(''), `${line}${'x'.repeat(size)}\r\n`.repeat(2))
  }
})

t.test('whatever a handler gives, one line stays one line', async () => {
  const unit = fc.constantFrom('a', 'B', '-', ':', ' ', '\r', '\n', '\0', '\t', '\xff', '\u010d', '\u010a')
  const text = fc.string({ unit, maxLength: 6 })
  const value = fc.oneof(text, fc.double(), fc.array(text, { maxLength: 3 }), fc.constantFrom(null, undefined))
  fc.assert(
    fc.property(fc.dictionary(text, value, { maxKeys: 4 }), fc.integer({ min: -3, max: 20 }), (headers, length) => {
      let head: string
      try {
        head = responseHead(200, headers, length, alive(), DATE)
      } catch (error) {
        return error instanceof ResponseError
      }
      const found = head.split('\r\n')
      const given = Object.values(headers).flatMap((one) => (one === null || one === undefined ? [] : one)).length
      const own = (length >= CHUNKED ? 1 : 0) + (length === UNTIL_CLOSE ? 1 : 0)
      return (
        /^[\t\r\n\x20-\x7e\x80-\xff]*$/.test(head) &&
        !/\r(?!\n)|(?<!\r)\n/.test(head) &&
        found.length === 1 + given + own + 1 + 2 &&
        found.slice(1, -2).every((line) => /^[-!#$%&'*+.^_`|~0-9A-Za-z]+: /.test(line))
      )
    }),
    { seed, numRuns: 2000 },
  )
})
