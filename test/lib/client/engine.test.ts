import t from 'tap'
import * as lev from '../../../lev/index.js'
import { acceptEncoding } from '../../../lib/client/content-coding.js'
import { request, type RequestOptions } from '../../../lib/index.js'
import { failure, virtual } from '../../../testing/virtual.js'
import { ok, scripted, type Asked, type Scripted } from './scripted.js'

/** Writes the same to every client. */
const always = (text: string) => function* (stream: lev.Stream): lev.Op<void> {
  yield* stream.write(Buffer.from(text, 'latin1'))
}

const urlOf = ({ port }: Scripted, path = '/'): string => `http://127.0.0.1:${port}${path}`

t.test('responses that are fine', async (t) => {
  const cases: [name: string, wire: string, expected: object][] = [
    ['interim responses without a request for them', `${'HTTP/1.1 100 Continue\r\n\r\n'.repeat(8)}${'HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n'.repeat(8)}${ok('x')}`, { status: 200, body: Buffer.from('x') }],
    ['values of latin1', ok('', 'X: caf\xe9'), { headers: { x: 'caf\xe9' } }],
    ['a phrase of its own', 'HTTP/1.1 418 Short\r\nContent-Length: 0\r\n\r\n', { status: 418, reason: "I'm a teapot" }],
    ['chunks with extensions and trailers', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a="b"\r\none\r\n0004\r\n two\r\n0\r\nA: b\r\n\r\n', { body: Buffer.from('one two') }],
    ['lists with empty members', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n', { body: Buffer.alloc(0) }],
    ['one length twice', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx', { body: Buffer.from('x') }],
  ]
  for (const [name, wire, expected] of cases) {
    for (const segment of [undefined, 1]) {
      const response = await virtual(() => scripted(always(wire), (server) => request(urlOf(server))), segment === undefined ? {} : { segment })
      t.match(response, expected, `${name}${segment === undefined ? '' : ', byte by byte'}`)
    }
  }
})

t.test('content up to the end of the connection', async (t) => {
  for (const version of ['1.0', '1.1']) {
    await virtual(() => scripted(function* (stream) {
      yield* stream.write(`HTTP/${version} 200 OK\r\n\r\nall `)
      yield* lev.sleep(1)
      yield* stream.write('of it')
      yield* stream.end()
    }, function* (server) {
      t.equal((yield* request(urlOf(server))).body.toString(), 'all of it', version)
      yield* lev.sleep(1)
      t.equal(server.open(), 0)
    }))
  }
})

t.test('responses that are not: an error, and the connection is closed', async (t) => {
  const cases: [wire: string, message: RegExp][] = [
    ['HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx', /differing Content-Length/],
    ['HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', /both Content-Length and Transfer-Encoding/],
    ['HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n', /malformed Content-Length/],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n', /unsupported transfer coding/],
    ['HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', /Transfer-Encoding in HTTP\/1.0/],
    ['HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n', /folded field line/],
    ['HTTP/1.1 200 OK\nContent-Length: 0\n\n', /bare LF/],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n', /chunk data not followed by CRLF/],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n', /malformed chunk size/],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n', /more than 1000 bytes/],
    ['HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n', /more than 1000 bytes/],
    ['HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n', /changes the protocol/],
    ['HTTP/1.1 100 Continue\r\n\r\n'.repeat(17), /more than 16 interim/],
    [`HTTP/1.1 200 OK\r\nA: ${'x'.repeat(70_000)}\r\n\r\n`, /header (line|size) limit violation: 65537/],
    ['SSH-2.0-x\r\n', /malformed status line/],
  ]
  for (const [wire, message] of cases) {
    await virtual(() => scripted(always(wire), function* (server) {
      t.match(yield* failure(request({ url: urlOf(server), maxBodySize: 1000 })), { code: 'LEVERET_REQUEST', message }, wire.slice(0, 80))
      yield* lev.sleep(1)
      t.equal(server.open(), 0)
    }))
  }
})

t.test('connections that end too soon', async (t) => {
  const cases: [wire: string, message: RegExp][] = [
    ['', /closed the connection without a response/],
    ['HTTP/1.1 20', /within the head/],
    ['HTTP/1.1 100 Continue\r\n\r\n', /within the head/],
    ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfour', /within the content/],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n', /within the content/],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n', /within the content/],
  ]
  for (const [wire, message] of cases) {
    for (const reset of [false, true]) {
      const error = await virtual(() => scripted(function* (stream) {
        yield* stream.write(wire)
        yield* stream.flush()
        yield* lev.sleep(1)
        if (reset) stream.reset()
        else yield* stream.end()
      }, (server) => failure(request(urlOf(server)))))
      t.match(error, { code: 'LEVERET_REQUEST', message: reset ? /the connection was lost/ : message }, `${reset ? 'reset' : 'end'}: ${wire}`)
    }
  }
})

/** The connections on which requests arrived. */
const connections = (asked: readonly Asked[]): number[] => asked.map(({ connection }) => connection)

/** Sends `count` requests with a pause of `pause` seconds before each but the first, and gives the connections. */
function repeated(head: string, pause: number, count = 2, options: object = {}): Promise<number[]> {
  return virtual(() => scripted(always(head), function* (server) {
    for (let index = 0; index < count; index++) {
      if (index > 0) yield* lev.sleep(pause)
      yield* request({ url: urlOf(server), ...options })
    }
    return connections(server.asked)
  }))
}

t.test('a connection is kept for the next request, for some time', async (t) => {
  t.same(await repeated(ok('x'), 0), [0, 0])
  t.same(await repeated(ok('x'), 3.5, 4), [0, 0, 0, 0])
  t.same(await repeated(ok('x'), 4.5), [0, 1], 'four seconds')
  t.same(await repeated(ok('x', 'Keep-Alive: timeout=20'), 18), [0, 0], 'as long as the server says')
  t.same(await repeated(ok('x', 'Keep-Alive: timeout=20'), 19.5), [0, 1], 'and not to its last second')
  t.same(await repeated(ok('x', 'Keep-Alive: timeout=1'), 0), [0, 1])
  t.same(await repeated(ok('x', 'Connection: close'), 0), [0, 1])
  t.same(await repeated('HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n', 0), [0, 1])
  t.same(await repeated('HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n', 0), [0, 0])
  t.same(await repeated('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 0, 2, { method: 'HEAD' }), [0, 0])
  t.same(await repeated('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n', 0), [0, 0])
  t.same(await repeated(`${ok('x')}HTTP/1.1 200 OK\r\n`, 1), [0, 1], 'not where more came than was asked for')
  t.same(await repeated(ok('x'), 0, 2, { headers: { Connection: 'close' } }), [0, 1])
})

t.test('an idle connection that its server closes is not used', (t) => virtual(() => scripted(function* (stream) {
  yield* stream.write(ok('x'))
  yield* lev.sleep(1)
  yield* stream.end()
}, function* (server) {
  yield* request({ url: urlOf(server), method: 'POST' })
  yield* lev.sleep(2)
  t.equal(server.open(), 0)
  yield* request({ url: urlOf(server), method: 'POST' })
  t.same(connections(server.asked), [0, 1])
})))

t.test('a connection that turns out to be gone: sent again where that is safe', async (t) => {
  const twice: [options: Partial<RequestOptions>, again: boolean][] = [
    [{}, true], [{ method: 'HEAD' }, true], [{ method: 'PUT', body: 'x' }, true], [{ method: 'DELETE' }, true],
    [{ method: 'POST', body: 'x' }, false], [{ method: 'PATCH' }, false], [{ method: 'PUT', body: ['x'].values() }, false],
  ]
  for (const [options, again] of twice) {
    for (const how of ['end', 'reset', 'half'] as const) {
      await virtual(() => scripted(function* (stream, { index }) {
        if (index === 0) return yield* stream.write(ok(''))
        if (how === 'half') yield* stream.write('HTTP/1.1 2')
        if (how !== 'reset') return yield* stream.end()
        stream.reset()
      }, function* (server) {
        const url = urlOf(server)
        yield* request(url)
        const second = request({ url, ...options })
        const name = `${options.method ?? 'GET'}, ${how}`
        if (again && how !== 'half') t.equal((yield* second).status, 200, name)
        else t.match(yield* failure(second), { code: 'LEVERET_REQUEST' }, name)
        t.same(connections(server.asked), again && how !== 'half' ? [0, 0, 1] : [0, 0], name)
      }))
    }
  }
})

t.test('a new connection is tried once', (t) => virtual(() => scripted(function* (stream) {
  yield* stream.end()
}, function* (server) {
  yield* failure(request(urlOf(server)))
  t.equal(server.asked.length, 1)
})))

t.test('idle connections are bounded', (t) => virtual(() => scripted(function* (stream) {
  yield* lev.sleep(1)
  yield* stream.write(ok('x'))
}, function* (server) {
  yield* lev.scope(function* (scope) {
    for (let index = 0; index < 100; index++) scope.spawn(() => request(urlOf(server)))
  })
  yield* lev.sleep(0.1)
  t.equal(server.open(), 32)
  yield* lev.sleep(4)
  t.equal(server.open(), 0)
})))

t.test('how a request looks on the wire', (t) => virtual(() => scripted(always(ok('')), function* (server) {
  const url = urlOf(server, '/a b?c=%20#d')
  const sent = (options: object): lev.Op<unknown> => request({ url, headers: { 'User-Agent': 'u' }, ...options })
  yield* sent({})
  yield* sent({ method: 'POST', decompress: false, headers: { 'User-Agent': 'u', Accept: ['a', 'b'], Host: 'other.test', 'X-A': '\xe9' } })
  yield* sent({ method: 'QUERY', decompress: false, body: 'ü' })
  t.same(server.asked.map(({ head, body }) => head + body), [
    `GET /a%20b?c=%20 HTTP/1.1\r\nhost: 127.0.0.1:${server.port}\r\nuser-agent: u\r\naccept: */*\r\naccept-encoding: ${acceptEncoding}\r\n\r\n`,
    'POST /a%20b?c=%20 HTTP/1.1\r\nhost: other.test\r\nuser-agent: u\r\naccept: a\r\naccept: b\r\nx-a: \xe9\r\ncontent-length: 0\r\n\r\n',
    `QUERY /a%20b?c=%20 HTTP/1.1\r\nhost: 127.0.0.1:${server.port}\r\nuser-agent: u\r\naccept: */*\r\ncontent-length: 2\r\n\r\n${Buffer.from('ü').toString('latin1')}`,
  ])
})))

t.test('a length that is not the body\'s is refused', (t) => virtual(function* () {
  for (const [length, body] of [['5', 'four'], ['x', 'four'], ['4', null], [['4', '4'], 'four'], ['-1', [].values()]] as const) {
    const error = yield* failure(request({ url: 'http://127.0.0.1:1/', method: 'POST', headers: { 'Content-Length': length }, body }))
    t.match(error, { code: 'LEVERET_ARGUMENT', argument: 'headers.content-length' }, String(length))
  }
}))

t.test('the time for all of it runs also where bytes trickle, and closes the connection', (t) => virtual(() => scripted(function* (stream) {
  yield* stream.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n')
  for (;;) {
    yield* lev.sleep(1)
    yield* stream.write('x')
  }
}, function* (server) {
  const began = lev.now()
  t.match(yield* failure(request({ url: urlOf(server), timeout: 20 })), { code: 'LEV_TIMEOUT' })
  t.equal(Math.round(lev.now() - began), 20)
  yield* lev.sleep(2)
  t.equal(server.open(), 0)
})))
