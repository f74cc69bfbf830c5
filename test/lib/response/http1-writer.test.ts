import fc from 'fast-check'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op, Stream } from '../../../lev/index.js'
import { NO_LENGTH } from '../../../lib/http1/response-framing.js'
import { ResponseError } from '../../../lib/http1/response-headers.js'
import { Http1Writer } from '../../../lib/response/http1-writer.js'
import { noRequest, UNKNOWN_LENGTH, type RespondedRequest } from '../../../lib/response/response-writer.js'
import { ResponseReader, type WireResponse } from '../../support/responses.js'
import { seed } from '../../support/seed.js'

/** A request of a client that keeps its connection. */
interface Asked extends RespondedRequest {
  /** How often the head was about to be written. */
  begun: number
}

function asked(method = 'GET', minorVersion: 0 | 1 = 1): Asked {
  return { method, hsts: null, minorVersion, keepAlive: true, idleTimeout: 0, mayKeepAlive: () => true, begun: 0, advance() { this.begun++ } }
}

/** Runs `write` on a writer, and returns all bytes that its client received, and whether the connection was reset. */
async function written(
  write: (writer: Http1Writer, client: Stream) => Op<void> | void,
): Promise<{ bytes: Buffer; reset: boolean }> {
  return await lev.run(function* () {
    const [near, far] = lev.pipe()
    const reading = lev.spawn(function* (): Op<{ bytes: Buffer; reset: boolean }> {
      const pieces: Buffer[] = []
      try {
        for (let piece = yield* far.read(); piece !== null; piece = yield* far.read()) pieces.push(Buffer.from(piece))
        return { bytes: Buffer.concat(pieces), reset: false }
      } catch {
        return { bytes: Buffer.concat(pieces), reset: true }
      }
    })
    const writing = write(new Http1Writer(near), near)
    if (writing !== undefined) yield* writing
    if (near.isOpen) yield* near.end()
    return yield* reading.join()
  }, { driver: lev.memory({ seed }) })
}

/** The only response that was written. */
async function response(method: string, write: (writer: Http1Writer) => Op<void> | void): Promise<WireResponse> {
  const { bytes } = await written(write)
  const reader = new ResponseReader()
  reader.methods = [method]
  const { responses, fault, rest } = reader.read(bytes, true)
  if (fault !== null || rest > 0 || responses.length !== 1) throw new Error(`${fault ?? 'not one response'}: ${bytes.toString('latin1')}`)
  return responses[0]
}

t.test('how content is delimited', async (t) => {
  const table: [method: string, minor: 0 | 1, status: number, length: number, framing: string, body: string][] = [
    ['GET', 1, 200, 2, 'length', 'ab'],
    ['GET', 0, 200, 2, 'length', 'ab'],
    ['GET', 1, 200, UNKNOWN_LENGTH, 'chunked', 'ab'],
    ['GET', 0, 200, UNKNOWN_LENGTH, 'close', 'ab'],
    ['HEAD', 1, 200, 2, 'none', ''],
    ['HEAD', 1, 200, UNKNOWN_LENGTH, 'none', ''],
    ['HEAD', 0, 200, UNKNOWN_LENGTH, 'none', ''],
    ['HEAD', 1, 200, NO_LENGTH, 'none', ''],
    ['GET', 1, 204, UNKNOWN_LENGTH, 'none', ''],
    ['GET', 1, 304, 2, 'none', ''],
  ]
  for (const [method, minor, status, length, framing, body] of table) {
    const request = asked(method, minor)
    let sent = -1
    const one = await response(method, (writer) => {
      writer.head(request, status, undefined, length)
      writer.put('ab')
      writer.end()
      sent = writer.sent
    })
    const name = `${method} 1.${minor} ${status} ${length}`
    t.strictSame([one.framing, one.body.toString(), sent], [framing, body, body.length], name)
    t.strictSame([request.begun, request.keepAlive], [1, framing !== 'close'], name)
  }
  const { bytes } = await written((writer) => {
    writer.head(asked('CONNECT'), 200, { 'Content-Length': 5 }, UNKNOWN_LENGTH)
    writer.end()
  })
  t.notMatch(bytes.toString(), /length|chunked/i, 'a tunnel has no length')
})

t.test('a whole response is that of its parts', async (t) => {
  for (const method of ['GET', 'HEAD']) {
    for (const [status, content, length] of [[200, 'ab', 2], [200, '', 0], [204, '', 0], [304, '', 7], [200, 'ab', NO_LENGTH]] as const) {
      let size = -1
      const whole = await response(method, (writer) => {
        size = writer.whole(asked(method), status, { a: 'b' }, content, length)
      })
      const parts = await response(method, (writer) => {
        writer.head(asked(method), status, { a: 'b' }, length)
        if (content !== '') writer.put(content)
        writer.end()
      }).catch((error: unknown) => String(error))
      t.strictSame(whole, parts, `${method} ${status} ${length}`)
      t.equal(size, whole.body.length)
    }
  }
})

t.test('whatever is written in whatever pieces arrives whole', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('text' as const), text: fc.string({ minLength: 1, unit: 'grapheme' }) }),
    fc.record({ kind: fc.constant('bytes' as const), text: fc.string({ minLength: 1 }) }),
    fc.record({ kind: fc.constantFrom('flush' as const, 'wait' as const, 'pause' as const), text: fc.constant('') }),
  )
  const many = fc.array(step, { maxLength: 20 })
  await fc.assert(fc.asyncProperty(many, fc.constantFrom(0 as const, 1 as const), async (steps, minor) => {
    const expected = Buffer.from(steps.map((one) => one.text).join(''))
    const one = await response('GET', function* (writer) {
      writer.head(asked('GET', minor), 200, undefined, UNKNOWN_LENGTH)
      for (const { kind, text } of steps) {
        if (kind === 'text') writer.putText(text)
        else if (kind === 'bytes') writer.put(Buffer.from(text))
        else if (kind === 'flush') yield* writer.flush()
        else if (kind === 'wait') yield* writer.waitForDrain()
        else yield* lev.sleep(0.001)
      }
      writer.end()
      if (writer.sent !== expected.length) throw new Error(`sent ${writer.sent} of ${expected.length}`)
    })
    return one.body.equals(expected)
  }), { seed, numRuns: 200 })
})

t.test('texts of one step are one chunk', async (t) => {
  const { bytes } = await written(function* (writer) {
    writer.head(asked(), 200, undefined, UNKNOWN_LENGTH)
    writer.putText('ab')
    writer.putText('\u00e9')
    t.equal(writer.sent, 3)
    yield* writer.flush()
    t.equal(writer.sent, 4, 'as UTF-8')
    writer.putText('d')
    writer.put(Buffer.from('e'))
    writer.end({ 'X-Sum': 5 })
  })
  const content = bytes.toString().split('\r\n\r\n').slice(1).join('\r\n\r\n')
  t.equal(content, '4\r\nab\u00e9\r\n1\r\nd\r\n1\r\ne\r\n0\r\nX-Sum: 5\r\n\r\n')
})

t.test('a head that was not written is replaced, and an invalid one writes nothing', async (t) => {
  const request = asked()
  const one = await response('GET', (writer) => {
    writer.head(request, 200, { a: '1', Connection: 'close' }, UNKNOWN_LENGTH)
    t.throws(() => writer.head(request, 200, { a: '\n' }, 0), ResponseError)
    t.throws(() => writer.whole(request, 200, { a: '\n' }, 'x'), ResponseError)
    t.strictSame([writer.begun, request.begun], [false, 0])
    writer.whole(request, 500, undefined, 'failed')
  })
  t.strictSame([one.status, one.body.toString(), request.begun], [500, 'failed', 1])
})

t.test('a response that is cut off does not look whole', async (t) => {
  const cut = async (minor: 0 | 1): Promise<{ bytes: Buffer; reset: boolean }> => await written(function* (writer) {
    writer.head(asked('GET', minor), 200, undefined, UNKNOWN_LENGTH)
    writer.putText('ab')
    yield* writer.flush()
    writer.putText('cd')
    writer.abort()
  })
  const chunked = await cut(1)
  t.match(chunked.bytes.toString(), /\r\n\r\n2\r\nab\r\n2\r\ncd\r\n$/, 'no last chunk')
  t.equal((await cut(0)).reset, true, 'where the end of the connection would be the end of the content')
})

t.test('interim responses and the one that ends HTTP', async (t) => {
  const { bytes } = await written((writer) => {
    t.equal(writer.interim(asked('GET', 0), 103, { Link: 'x' }), false, 'HTTP/1.0 has none')
    t.throws(() => writer.interim(asked('GET', 0), 103, { Date: 'x' }), ResponseError)
    t.equal(writer.interim(asked(), 100, {}), true)
    t.equal(writer.interim(asked(), 103, { Link: 'x' }), true)
    const request = asked()
    t.throws(() => writer.upgrade(request, { 'Content-Length': 1 }), ResponseError)
    t.equal(request.begun, 0)
    writer.upgrade(request, { Upgrade: 'websocket' })
    t.equal(request.begun, 1)
  })
  t.match(bytes.toString(), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP\/1\.1 101 Switching Protocols\r\n/)
})

t.test('the Date is that of the second, also for a client whose request is not read', async (t) => {
  const { bytes } = await written(function* (writer) {
    for (let count = 0; count < 5; count++) {
      writer.whole(noRequest, 503, undefined, '')
      yield* lev.sleep(0.5)
    }
  })
  const dates = [...bytes.toString().matchAll(/Date: (.*)\r\n/g)].map(([, date]) => Date.parse(date) / 1000)
  t.equal(dates.length, 5)
  t.strictSame(dates.map((date) => date - dates[0]), [0, 0, 1, 1, 2])
  t.match(bytes.toString(), /Connection: close/)
})
