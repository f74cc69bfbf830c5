// Run by leaks.test.ts in a process of its own: prints what is still there after each way in which a client's call can end.
import { mkdtempSync, readFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import { request, tcp, websocket } from '../../../lib/index.js'
import { developmentIdentities } from '../../../tls/index.js'
import { frame, opcodes } from '../websocket/wire.js'
import { accepted } from './raw-server.js'
import { listen } from '../../support/listen.js'
import { unfinishedTasks } from '../../support/living.js'
import { keepingAlive } from '../../support/memory.js'

const made = developmentIdentities(mkdtempSync(join(tmpdir(), 'leveret-')), ['localhost'], Date.now() / 1000)
const ca = readFileSync(made.ca)
const { default: identity } = made.ssl

// Each response is the last on its connection, so that none is kept for the next request.
const ok = 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok'
const responses: Readonly<Record<string, (socket: Socket, head: string) => void>> = {
  '/ok': (socket) => socket.write(ok),
  '/missing': (socket) => socket.write(ok.replace('200', '404')),
  '/moved': (socket) => socket.write('HTTP/1.1 302 Found\r\nLocation: /moved\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'),
  '/garbage': (socket) => socket.write('\x15\x03\x01\x00\x02'),
  '/never': () => {},
  '/half': (socket) => socket.write('HTTP/1.1 1'),
  '/half-body': (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'),
  '/end': (socket) => socket.end('HTTP/1.1 2'),
  '/reset': (socket) => (socket instanceof Object && 'encrypted' in socket ? socket.destroy() : socket.resetAndDestroy()),
  '/ws': (socket, head) => {
    socket.write(accepted(head))
    // The response to whatever comes next, which is a close.
    socket.once('data', () => socket.end(frame(opcodes.close, Buffer.from([3, 232]), { mask: null })))
  },
  '/ws-closes': (socket, head) => socket.write(Buffer.concat([Buffer.from(accepted(head)), frame(opcodes.close, '', { mask: null })])),
  '/ws-deaf': (socket, head) => socket.write(accepted(head)),
  '/ws-breaks': (socket, head) => socket.write(Buffer.concat([Buffer.from(accepted(head)), frame(11, '', { mask: null })])),
  '/ws-resets': (socket, head) => socket.write(accepted(head), () => setTimeout(() => responses['/reset'](socket, head), 5)),
}

const connections = new Set<Socket>()

/** Whatever belongs to the server does not keep the process, so that it is not counted. */
function serve(socket: Socket): void {
  connections.add(socket.unref())
  socket.on('error', () => {}).on('close', () => connections.delete(socket))
  let head = ''
  const onData = (bytes: Buffer): void => {
    head += bytes.toString('latin1')
    if (!head.includes('\r\n\r\n')) return
    socket.off('data', onData)
    socket.resume()
    responses[head.split(' ')[1] ?? '']?.(socket, head)
  }
  socket.on('data', onData)
}

async function listening(server: Server): Promise<number> {
  return await listen(server.unref(), 'localhost')
}

const plain = await listening(createServer(serve))
const secure = await listening(createTlsServer({ cert: readFileSync(identity.cert ?? ''), key: readFileSync(identity.key ?? '') }, serve).on('tlsClientError', () => {}))
/** Takes connections and says nothing: a handshake never ends. */
const mute = await listening(createServer((socket) => {
  connections.add(socket.unref())
  socket.on('error', () => {}).on('close', () => connections.delete(socket)).resume()
}))

/** Cancels `op` after some time, and waits for its end. */
function* cancelled(seconds: number, op: () => Op<unknown>): Op<void> {
  const task = lev.spawn(op)
  yield* lev.sleep(seconds)
  task.cancel()
  yield* task.join()
}

const http = (path: string, options: object = {}) => (): Op<unknown> => request({ url: `http://localhost:${plain}${path}`, ...options })
const https = (options: object) => (): Op<unknown> => request({ url: `https://localhost:${secure}/ok`, ...options })
const ws = (path: string, options: object = {}) => (): Op<unknown> => websocket(`ws://localhost:${plain}${path}`, { close_timeout: 0.05, ...options })
const wss = (path: string, options: object = {}) => (): Op<unknown> => websocket(`wss://localhost:${secure}${path}`, { close_timeout: 0.05, ...options })
const raw = (port: number, options: object | boolean = {}) => function* (): Op<void> {
  const stream = yield* tcp.connect('localhost', port, options)
  yield* stream.write('GET /ok HTTP/1.1\r\n\r\n')
  yield* stream.read()
  stream.close()
}

const ways: Readonly<Record<string, () => Op<unknown>>> = {
  'request: a response': http('/ok'),
  'request: an error for a response': http('/missing'),
  'request: too many redirections': http('/moved', { redirects: 2 }),
  'request: too large': http('/ok', { maxBodySize: 1 }),
  'request: garbage': http('/garbage'),
  'request: reset': http('/reset'),
  'request: ended early': http('/end'),
  'request: timeout': http('/never', { timeout: 0.05 }),
  'request: timeout in the body': http('/half-body', { timeout: 0.05 }),
  'request: cancelled at once': () => cancelled(0, http('/never')),
  'request: cancelled': () => cancelled(0.05, http('/half-body')),
  'request: refused': () => request('http://127.0.0.1:1/'),
  'request: bad argument': () => request('ftp://localhost/'),
  'request: TLS': https({ tls: { ca } }),
  'request: TLS, not trusted': https({ tls: { serverName: 'other.test' } }),
  'request: TLS, timeout': () => request({ url: `https://localhost:${mute}/`, timeout: 0.05, tls: { ca } }),
  'websocket: left to its scope': ws('/ws'),
  'websocket: left to its scope, over TLS': wss('/ws', { tls: { ca } }),
  * 'websocket: closed'() {
    const one = yield* websocket(`ws://localhost:${plain}/ws`)
    one.close()
  },
  'websocket: closed by the server': ws('/ws-closes'),
  'websocket: the server does not respond to the close': ws('/ws-deaf'),
  'websocket: over TLS, the server does not respond to the close': wss('/ws-deaf', { tls: { ca } }),
  'websocket: the server breaks the rules': ws('/ws-breaks'),
  * 'websocket: reset'() {
    yield* (yield* websocket(`ws://localhost:${plain}/ws-resets`)).next()
  },
  * 'websocket: cancelled while open'() {
    yield* cancelled(0.05, () => lev.scope(function* () {
      yield* (yield* websocket(`ws://localhost:${plain}/ws-deaf`)).next()
    }))
  },
  * 'websocket: cancelled while open, over TLS'() {
    yield* cancelled(0.05, () => lev.scope(function* () {
      yield* (yield* websocket(`wss://localhost:${secure}/ws-deaf`, { tls: { ca } })).next()
    }))
  },
  'websocket: refused': () => websocket('ws://127.0.0.1:1/'),
  'websocket: another response': ws('/missing'),
  'websocket: garbage': ws('/garbage'),
  'websocket: reset for a response': ws('/reset'),
  'websocket: ended early': ws('/end'),
  'websocket: timeout': ws('/half', { handshake_timeout: 0.05 }),
  'websocket: cancelled at once': () => cancelled(0, ws('/never')),
  'websocket: cancelled before the response': () => cancelled(0.05, ws('/never')),
  'websocket: cancelled in the TLS handshake': () => cancelled(0.05, () => websocket(`wss://localhost:${mute}/`)),
  'websocket: TLS, not trusted': wss('/ws'),
  'websocket: TLS, timeout': () => websocket(`wss://localhost:${mute}/`, { handshake_timeout: 0.05 }),
  'websocket: TLS where there is none': () => websocket(`wss://localhost:${plain}/`, { handshake_timeout: 0.05 }),
  'websocket: bad argument': ws('/ws', { headers: { Upgrade: 'x' } }),
  'tcp: closed': raw(plain),
  'tcp: closed, over TLS': raw(secure, { tls: { ca } }),
  'tcp: refused': () => tcp.connect('127.0.0.1', 1),
  'tcp: bad argument': () => tcp.connect('localhost', 0),
  'tcp: TLS, not trusted': raw(secure, true),
  'tcp: TLS, timeout': () => lev.timeout(0.05, tcp.connect('localhost', mute, true)),
  'tcp: cancelled at once': () => cancelled(0, raw(plain)),
  'tcp: cancelled in the TLS handshake': () => cancelled(0.05, raw(mute, true)),
}

for (const [name, way] of Object.entries(ways)) {
  // A world that is never stopped: nothing is released by its end.
  const ended = await lev.portal().run(way).then(() => 'well', (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : String(error)))
  // Sockets take a few turns to close; an open connection that is not released stays.
  for (let turn = 0; turn < 200 && keepingAlive().length + connections.size > 0; turn++) await new Promise((resolve) => setTimeout(resolve, 5))
  console.log(JSON.stringify({ name, ended, left: keepingAlive(), tasks: unfinishedTasks(), connections: connections.size }))
  for (const socket of connections) socket.destroy()
}
