import net from 'node:net'
import tls from 'node:tls'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Config } from '../../../lib/index.js'
import { ArgumentError } from '../../../lib/index.js'
import { observe } from '../../../lib/observe/index.js'
import { inProcess } from '../../support/in-process.js'
import { eventually, gate, request, serve } from '../../support/serving.js'
import { Certificates } from '../../tls/certificates.js'
import { record } from './recorded.js'

// The events of real sockets.

const made = new Certificates()
t.teardown(() => made.remove())
const ssl: Config['ssl'] = { default: made.issue({ names: ['localhost'] }) }

const last = { Connection: 'close' }

t.test('plain HTTP, and a client that leaves', async (t) => {
  const { opened, open } = gate()
  const seen = record(t)
  const { ask, connect } = await serve(t, {}, (_method, query) => query === '/waits' ? opened.then(() => 'late') : 'hello')
  await ask(request('GET /', last))
  await eventually(() => seen.all.length === 4, 'the end of the first')
  const client = await connect(request('GET /waits'))
  await eventually(() => seen.all.length === 6, 'the second request')
  client.socket.resetAndDestroy()
  await eventually(() => seen.all.length === 8, 'its end')
  open()
  t.strictSame(seen.lines(), [
    'open', 'start GET /', 'end GET /: complete 200 5', 'close',
    'open', 'start GET /waits', 'end GET /waits: client gone 499 0 (closed)', 'close',
  ])
})

t.test('TLS: a handshake that fails, plain HTTP, a client that leaves before it, and a request', async (t) => {
  const seen = record(t)
  const { ask, port } = await serve(t, { ssl }, () => 'hello')
  const refusing = tls.connect({ port, host: '127.0.0.1' })
  refusing.on('error', () => {})
  await eventually(() => seen.all.length === 3, 'the failure')
  const failed = ['open', 'handshake failed', 'close']
  t.strictSame(seen.lines(), failed)
  t.match(seen.all[1].event, { client_ip: '127.0.0.1', reason: /\S/ })
  await ask(request('GET /'))
  await eventually(() => seen.all.length === 7, 'the end of plain HTTP')
  t.strictSame(seen.lines().slice(3), [
    'open', 'handshake failed', 'reject 400 this port speaks HTTPS; the request was sent as plain HTTP', 'close',
  ])
  net.connect({ port, host: '127.0.0.1' }).end().resume()
  await eventually(() => seen.all.length === 10, 'the end of the client that says nothing')
  t.strictSame(seen.lines().slice(7), failed)
  const client = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  client.end(request('GET /', last))
  client.resume()
  await eventually(() => seen.all.length === 14, 'the end of the request')
  t.strictSame(seen.lines().slice(10), ['open', 'start GET /', 'end GET /: complete 200 5', 'close'])
})

t.test('over connection_limit with TLS: no response', async (t) => {
  const { opened, open } = gate()
  const seen = record(t)
  const { port } = await serve(t, { ssl, connection_limit: 1 }, () => opened.then(() => 'late'))
  const busy = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  busy.write(request('GET /', last))
  busy.resume()
  await eventually(() => seen.all.length === 2, 'the request')
  const other = net.connect({ port, host: '127.0.0.1' })
  other.on('error', () => {})
  await eventually(() => seen.all.length === 3, 'the rejection')
  t.match(seen.all[2].event, { connection: null, client_ip: '127.0.0.1', status: null, reason: 'too many connections' })
  open()
  await eventually(() => seen.all.length === 5, 'the end')
  t.strictSame(seen.lines(), ['open', 'start GET /', 'reject null too many connections', 'end GET /: complete 200 4', 'close'])
})

const library = JSON.stringify(fileURLToPath(new URL('../../../lib/index.js', import.meta.url)))
const observers = JSON.stringify(fileURLToPath(new URL('../../../lib/observe/index.js', import.meta.url)))

/** Serves two requests in a program of its own, after `setUp`, and gives what it printed. */
function served(setUp: string): string {
  return inProcess(['--input-type=module', '-e', `
    import diagnostics_channel from 'node:diagnostics_channel'
    import * as server from ${library}
    import { observe } from ${observers}
    console.error = (...args) => console.log(args.map(String).join(' '))
    ${setUp}
    const quiet = () => {}
    const served = server.new({ port: 0, logger: { debug: quiet, info: quiet, warn: quiet, error: quiet } }, () => 'hello')
    const done = served.serve()
    const { port } = await served.listening
    for (let n = 0; n < 2; n++) {
      const response = await fetch('http://127.0.0.1:' + port)
      console.log(await response.text())
    }
    await served.stop()
    await done
  `])
}

t.test('observers that fail are reported once each, and nothing else suffers', async (t) => {
  const printed = served(`
    observe('leveret:request:end', () => { throw new Error('thrown') })
    observe('leveret:request:start', async () => { throw new Error('rejected') })
    observe('leveret:request:end', ({ status }) => console.log(status))
  `)
  const lines = printed.trimEnd().split('\n')
  t.strictSame(lines.filter((line) => /^(?:hello|200)$/.test(line)).sort(), ['200', '200', 'hello', 'hello'])
  t.equal(printed.split('an observer of leveret:request:end failed').length, 2)
  t.equal(printed.split('an observer of leveret:request:start failed').length, 2)
})

t.test('errors of those that subscribe to the channel itself become uncaught exceptions', async (t) => {
  const printed = served(`
    process.on('uncaughtException', ({ message }) => console.log('uncaught:', message))
    diagnostics_channel.subscribe('leveret:request:end', () => { throw new Error('thrown') })
  `)
  t.strictSame(printed.trimEnd().split('\n').sort(), ['hello', 'hello', 'uncaught: thrown', 'uncaught: thrown'])
})

t.test('a listener is a function', async (t) => {
  t.throws(() => observe('leveret:reject', 'no function' as unknown as () => void), ArgumentError)
})
