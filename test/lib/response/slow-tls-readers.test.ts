import net from 'node:net'
import tls from 'node:tls'
import t, { type Test } from 'tap'
import type { Handler } from '../../../lib/index.js'
import { Certificates } from '../../tls/certificates.js'
import { bytesInUse } from '../../support/memory.js'
import { eventually, request, serve } from '../../support/serving.js'

const made = new Certificates()
t.teardown(() => made.remove())
const identity = made.issue({ names: ['localhost'] })

const KiB = 1024
const readers = 10

/** What readers that never read make the server take from its handlers, and hold, in bytes for each of them. */
async function taken(t: Test, secure: boolean): Promise<{ written: number; held: number }> {
  let written = 0
  let waiting = 0
  const chunk = Buffer.alloc(16 * KiB)
  const endless: Handler = () => [function* (out) {
    for (;;) {
      waiting++
      yield* out.write(chunk)
      waiting--
      written += chunk.length
    }
  }]
  const { port } = await serve(t, { ...(secure ? { ssl: { default: identity } } : {}), compression: { enabled: false } }, endless)
  const before = await bytesInUse()
  const sockets = Array.from({ length: readers }, () => {
    const socket = secure ? tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false }) : net.connect({ port, host: '127.0.0.1' })
    socket.on('error', () => {})
    socket.pause()
    socket.write(request('GET /'))
    return socket
  })
  let last = -1
  let still = 0
  await eventually(() => {
    still = waiting === readers && written === last ? still + 1 : 0
    last = written
    return still === 100
  }, 'that all handlers wait')
  const held = await bytesInUse() - before
  for (const socket of sockets) socket.destroy()
  return { written: written / readers, held: held / readers }
}

t.test('readers that do not read: TLS takes and holds a small multiple of what it does in the clear', async (t) => {
  const plain = await taken(t, false)
  const secure = await taken(t, true)
  t.comment(JSON.stringify({ plain, secure }))
  t.ok(secure.written < 4 * plain.written, `${secure.written} bytes for each reader, in the clear ${plain.written}`)
  // The stream's limit and one piece; the clients, which live in this process too, hold some.
  for (const { held } of [plain, secure]) t.ok(held < 4 * (128 + 64) * KiB, `${held} bytes held for each reader`)
})
