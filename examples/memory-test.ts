// Tests of a service with neither ports nor waiting: the network and the clock are virtual. It ends by itself.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as server from 'leveret'
import * as lev from 'leveret/lev'

/** The service under test. Each test has its own, in its own world. */
const handle: server.Handler = function* (method, query) {
  if (query === '/hour') yield* lev.sleep(3600)
  return `${method} ${query}`
}

/** Runs `client` against the service, on a connection of its own, in a world where nothing is real. */
function withService(config: server.Config, client: (stream: lev.Stream) => lev.Op<void>): Promise<void> {
  return lev.run(function* () {
    const service = server.new({ log_level: 'error', ...config }, handle)
    const done = service.serve()
    yield* client(yield* lev.connect(yield* lev.wait(service.listening)))
    yield* lev.wait(service.stop())
    yield* lev.wait(done)
  }, { driver: lev.memory({ seed: 1 }) })
}

/** Everything that the server sends until it closes. */
function* readAll(stream: lev.Stream): lev.Op<string> {
  let text = ''
  for (let bytes = yield* stream.read(); bytes !== null; bytes = yield* stream.read()) text += bytes.toString()
  return text
}

test('a handler may take an hour, and the test takes none', () => withService({}, function* (stream) {
  const began = lev.now()
  yield* stream.write('GET /hour HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n')
  assert.match(yield* readAll(stream), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nGET \/hour$/)
  assert.ok(lev.now() - began >= 3600)
}))

test('a head that is late is told so', () => withService({ request_header_timeout: 3 }, function* (stream) {
  const began = lev.now()
  yield* stream.write('GET / HTTP/1.1\r\nHost: a.te')
  assert.match(yield* readAll(stream), /^HTTP\/1\.1 408 /)
  assert.ok(lev.now() - began >= 3)
}))
