import t from 'tap'
import * as lev from '../../lev/index.js'
import type { Op } from '../../lev/index.js'
import { request } from '../../lib/index.js'
import { failure } from '../../testing/virtual.js'
import { request as requestText } from '../support/serving.js'
import { virtually } from '../support/virtual.js'

const twoReaders = { code: 'LEV_USAGE', message: /two tasks .* at the same time/ }
const chunked = { 'Transfer-Encoding': 'chunked' }
const multipart = { ...chunked, 'Content-Type': 'multipart/form-data; boundary=b' }
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`

/** Runs `first`, and while it waits `second`, which is to be refused; gives what the first one gave. */
function* beside<T>(first: () => Op<T>, second: () => Op<unknown>, check: (error: unknown) => void): Op<T> {
  const reading = lev.spawn(first)
  yield* lev.sleep(1)
  check(yield* failure(second()))
  return yield* reading.join()
}

t.test('a second reader of a body is refused, and the first one reads on under its timeout', async (t) => {
  for (const slow of [false, true]) {
    await virtually({ buffer_body: false, request_body_timeout: 5, min_transfer_rate: 0 }, function* (_method, _query, _args, _headers, _body, { body }) {
      const read = (): Op<Buffer | null> => body.read()
      const piece = yield* beside(read, read, (error) => t.match(error, twoReaders))
      return `${String(piece)}${String(yield* body.read())}`
    }, function* ({ connect }) {
      const client = yield* connect(requestText('POST /', chunked, ''))
      yield* lev.sleep(3)
      if (!slow) {
        client.send(chunk('first'))
        yield* lev.sleep(1)
        client.send(`${chunk('more')}0\r\n\r\n`)
      }
      const [response] = yield* client.responses(1)
      if (slow) t.equal(response.status, 408)
      else t.equal(response.body.toString(), 'firstmore')
    })
  }
})

t.test('a second reader of a form is refused, and the part of the first one goes on', async (t) => {
  await virtually({ buffer_body: false }, function* (_method, _query, _args, _headers, _body, { body }) {
    const parts = body.parts()
    const part = yield* parts.next()
    const other = (yield* beside(
      () => part?.read() ?? failure(parts.next()) as Op<null>, () => parts.next(), (error) => t.match(error, twoReaders),
    ))?.toString()
    return `${other} ${(yield* parts.next())?.name}`
  }, function* ({ connect }) {
    const head = (name: string): string => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n`
    const client = yield* connect(requestText('POST /', multipart, chunk(head('one'))))
    yield* lev.sleep(3)
    client.send(`${chunk('content of one\r\n')}${chunk(`${head('two')}\r\n--b--\r\n`)}0\r\n\r\n`)
    t.equal((yield* client.responses(1))[0].body.toString(), 'content of one two')
  })
})

t.test('a second reader of a response is refused, and the first one reads on', async (t) => {
  for (const compressed of [false, true]) {
    const text = 'x'.repeat(30_000)
    await virtually({ compression: { min_size: 0 } }, () => [function* (out) {
      yield* out.write('begin')
      yield* out.flush()
      yield* lev.sleep(3)
      yield* out.write(text)
    }, 200, { 'Content-Type': compressed ? 'text/plain' : 'application/octet-stream' }], function* ({ server }) {
      const { port } = yield* lev.wait(server.listening)
      const { body, headers } = yield* request({ url: `http://127.0.0.1:${port}/`, stream: true })
      t.equal(headers['transfer-encoding'], 'chunked')
      let got = ''
      const read = function* (): Op<void> {
        while (got.length < 6) got += String(yield* body.read())
      }
      yield* beside(read, () => body.read(), (error) => t.match(error, twoReaders))
      for (let piece = yield* body.read(); piece !== null; piece = yield* body.read()) got += piece.toString()
      t.ok(got === `begin${text}`, `${got.length} bytes`)
    })
  }
})
