import { once } from 'node:events'
import tls from 'node:tls'
import t from 'tap'
import { isExcessive } from '../../../../lev/drivers/node/tls-overhead.js'
import { Certificates } from '../../../tls/certificates.js'
import { openResources } from '../../../support/memory.js'
import { eventually, request, serve } from '../../../support/serving.js'

const made = new Certificates()
t.teardown(() => made.remove())
const ssl = { default: made.issue({ names: ['localhost'] }) }

const KiB = 1024
const MiB = 1024 * KiB

t.test('how much more than its content a connection may have', async (t) => {
  const cases: [what: string, raw: number, content: number, excessive: boolean][] = [
    ['a handshake', 2 * KiB, 0, false],
    ['one with large certificates', 200 * KiB, 0, false],
    ['content in large records', 1024 * MiB * 1.002, 1024 * MiB, false],
    ['a million of the smallest WebSocket frames, each in a record of TLS 1.2', 35e6, 6e6, false],
    ['a million one-byte chunks, likewise', 35e6, 6e6, false],
    ['a head in one-byte records', 30 * 8 * KiB, 8 * KiB, false],
    ['a hundred thousand bytes in records of their own', 23e5, 1e5, true],
    ['a hundred thousand KeyUpdates', 27e5, 1000, true],
    ['as many behind a body of 5 MiB', 27e5 + 5 * MiB, 5 * MiB, false],
    ['two million behind it', 54e6 + 5 * MiB, 5 * MiB, true],
  ]
  for (const [what, raw, content, excessive] of cases) {
    const connection = { index: -1, raw: { bytesRead: raw }, secured: { bytesRead: content }, cut() {} }
    t.equal(isExcessive(connection), excessive, what)
  }
})

/** Sends a body of `size` bytes, `step` of them to a record; how many were sent until the server had enough, or all were. */
async function send(port: number, size: number, step: number): Promise<{ sent: number; closed: boolean }> {
  const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  let closed = false
  const over = new Promise<void>((resolve) => {
    socket.once('close', resolve)
    socket.on('error', () => {})
  })
  void over.then(() => (closed = true))
  socket.resume()
  socket.write(request('POST /', { 'Content-Length': String(size) }))
  let sent = 0
  for (; sent < size && !closed; sent += step) {
    const room = socket.write(Buffer.alloc(step))
    await (room ? new Promise(setImmediate) : Promise.race([over, once(socket, 'drain').catch(() => {})]))
  }
  if (sent < size) await over
  socket.destroy()
  return { sent, closed }
}

t.test('a connection of hardly anything but TLS is cut, others are not', async (t) => {
  const { port, log } = await serve(t, { ssl, max_body_size: 64 * MiB }, () => 'done')
  const [small, large] = await Promise.all([send(port, MiB, 1), send(port, 48 * MiB, 64 * KiB)])
  t.ok(small.closed && small.sent < MiB, `after ${small.sent} bytes in records of their own`)
  t.strictSame([large.sent, large.closed], [48 * MiB, false])
  t.strictSame(log.of('error'), [])
  await eventually(() => openResources('TLSWrap') === 0, 'the end of all connections')
  t.equal(openResources('Timeout'), 0, 'the looking does not keep the process')
})
