import { Blob } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { ReadableStream } from 'node:stream/web'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Content } from '../../../lib/index.js'
import { eventually, request, serve } from '../../support/serving.js'
import { virtually, type World } from '../../support/virtual.js'

/** A Blob that tells how much of it was read; its size is a lie that is not found out. */
class EndlessBlob extends Blob {
  readonly #step: () => string
  readonly #closed: () => void

  constructor(step: () => string, closed: () => void) {
    super([])
    Object.defineProperty(this, 'size', { value: 1e9 })
    this.#step = step
    this.#closed = closed
  }

  override stream(): ReadableStream {
    return new ReadableStream({ pull: (controller) => controller.enqueue(Buffer.from(this.#step())), cancel: () => this.#closed() })
  }
}

const everyKind = ['iterable', 'async', 'web', 'readable', 'blob', 'writer']

for (const what of everyKind) {
  t.test(`${what}: a reader of 1 KB a second costs little memory; the source is closed in the end`, async (t) => {
    for (const coding of ['identity', 'gzip']) {
      for (const how of ['close', 'reset', 'end', 'stop'] as const) {
        let produced = 0
        let closed = 0
        const headers = { 'Content-Type': coding === 'gzip' ? 'text/html' : 'x/y' }
        // Here bytes move in flights: a minute's worth of them at a time.
        await virtually({ send_timeout: 1000 }, () => [endless(what, () => closed++, (bytes) => (produced += bytes)), 200, headers], function* ({ connect, log, server }: World) {
          const client = yield* connect(request('GET /', { 'Accept-Encoding': coding }))
          if (coding === 'identity') {
            let most = 0
            for (let second = 0; second < 40; second++) {
              yield* client.more(1000)
              yield* lev.sleep(1)
              most = Math.max(most, produced - client.received.length)
            }
            t.ok(most < 512 * 1024, `${most} bytes ahead of the reader`)
          } else {
            yield* client.more()
          }
          t.equal(closed, 0)
          if (how === 'stop') yield* lev.wait(server.stop({ drain: 0 }))
          else if (how === 'end') yield* client.stream.end()
          else client.stream[how]()
          yield* lev.sleep(1)
          // An async generator closes in a time that is not the world's.
          yield* lev.wait(new Promise((resolve) => setImmediate(resolve)))
          t.equal(closed, 1, `${coding}, ${how}: closed`)
          t.strictSame(log.statuses(), [499])
          t.strictSame(log.of('error'), [])
        })
      }
    }
  })
}

/** Endless content of every kind; `closed` is called when it is closed. */
function endless(what: string, closed: () => void, produced: (bytes: number) => void): Content {
  const piece = randomBytes(500).toString('hex')
  const step = (): string => {
    produced(piece.length)
    return piece
  }
  switch (what) {
    case 'iterable': return (function* () { try { for (;;) yield step() } finally { closed() } })()
    case 'async': return (async function* () { try { for (;;) { await null; yield step() } } finally { closed() } })()
    case 'web': return new ReadableStream({ pull: (controller) => controller.enqueue(step()), cancel: closed })
    case 'readable': return new Readable({ read() { this.push(step()) }, destroy(error, done) { closed(); done(error) } })
    case 'blob': return new EndlessBlob(step, closed)
    default: return function* (out) { try { for (;;) yield* out.write(step()) } finally { closed() } }
  }
}

for (const what of everyKind) {
  for (const coding of ['identity', 'gzip']) {
    t.test(`${what}, ${coding}: a client that does not read stops the source; one that goes away ends it`, async (t) => {
      let closed = 0
      let produced = 0
      const { connect, ask, log } = await serve(t, { compression: { types: ['text/plain'] } }, (_method, query) => {
        if (query === '/x') return 'x'
        return [endless(what, () => closed++, (bytes) => (produced += bytes)), 200, { 'Content-Type': 'text/plain' }]
      })
      const client = await connect()
      client.socket.pause()
      client.send(request('GET /', { 'Accept-Encoding': coding }))
      await eventually(() => produced > 100_000, 'the source begins')
      if (coding === 'identity') {
        // Until the system's buffers are full.
        let before = -1
        for (let still = 0; still < 5;) {
          still = produced === before ? still + 1 : 0
          before = produced
          await new Promise((resolve) => setTimeout(resolve, 20))
          t.equal((await ask(request('GET /x'))).status, 200, 'others are served')
        }
        t.ok(produced < 16e6, `stopped after ${produced} bytes`)
      }
      t.equal(closed, 0)
      client.reset()
      await eventually(() => closed === 1, 'the source is closed')
      await eventually(() => log.statuses().includes(499), 'it is logged')
      t.strictSame(log.of('error'), [])
    })
  }
}
