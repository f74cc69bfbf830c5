import t, { type Test } from 'tap'
import * as lev from '../../lev/index.js'
import type { Handler } from '../../lib/index.js'
import { fuzzedRequests } from '../support/mutations.js'
import { readResponses } from '../support/responses.js'
import { randomFrom, seed } from '../support/seed.js'
import { request, serve } from '../support/serving.js'
import { virtually, type World } from '../support/virtual.js'

/** Statuses that a request may be refused with. */
const refusing = new Set([400, 408, 411, 413, 414, 417, 426, 431, 501, 505])

/** What one connection brought about: the methods that handlers were called for. */
interface Seen {
  readonly methods: string[]
}

/** A handler that responds in all the ways there are, and notes its calls by the port of the client. */
function responding(calls: Map<string, Seen>, from: () => number): Handler {
  return (method, query, args, headers, body, ctx) => {
    const key = `${ctx.client.remote.port}`
    const seen = calls.get(key) ?? { methods: [] }
    calls.set(key, seen)
    seen.methods.push(method)
    const response = `${query} ${args} ${Object.keys(headers).length} ${String(body?.length)}`
    const kind = from()
    if (kind < 0.5) return response
    if (kind < 0.6) return [null, 204]
    if (kind < 0.7) return ['x'.repeat(5000), 200, { 'Content-Type': 'text/html' }]
    if (kind < 0.8) return Promise.resolve(response)
    if (kind < 0.9) return (function* () {
      yield* lev.sleep(0.001)
      return response
    })()
    throw new Error('a handler that fails')
  }
}

/** Checks what came back on one connection. `how` tells how to have it again. */
function check(t: Test, received: Buffer, methods: readonly string[], how: string): void {
  // What is refused behind the last request that got its response may have been a HEAD.
  const faults = ['GET', 'HEAD'].map((last) => faultOf(received, methods, last))
  if (faults.every((fault) => fault !== null)) t.fail(`${how}: ${faults[0]}; responses to ${methods.join(' ')}`)
}

function faultOf(received: Buffer, methods: readonly string[], last: string): string | null {
  const { responses, fault } = readResponses(received, [...methods, last], true)
  if (fault !== null) return fault
  // A response whose client has gone may be missing; none may come without a request.
  const surplus = responses.filter(({ status }) => status >= 200).slice(methods.length)
  if (surplus.length <= 1 && surplus.every(({ status }) => refusing.has(status))) return null
  return `unrequested: ${surplus.map(({ status }) => status).join(' ')}`
}

t.test('over real sockets: whatever is sent, responses are well-formed and the server lives', async (t) => {
  const random = randomFrom(seed)
  const calls = new Map<string, Seen>()
  const { connect, ask, log } = await serve(
    t, { connection_limit: 10_000, keepalive_idle_timeout: 5 }, responding(calls, random),
  )
  const rounds = 60
  const atOnce = 25
  for (let round = 0; round < rounds; round++) {
    await Promise.all(Array.from({ length: atOnce }, async (_, k) => {
      const own = randomFrom(seed * 1_000_003 + round * atOnce + k)
      const text = fuzzedRequests(own)
      const client = await connect()
      const port = String(client.socket.localPort)
      calls.delete(port)
      for (let at = 0; at < text.length;) {
        const size = own.pick([1, 10, 100, 10_000])
        client.send(text.slice(at, at + size))
        at += size
        if (own() < 0.2) await new Promise((resolve) => setImmediate(resolve))
      }
      client.end()
      await client.over
      const how = `seed ${seed}, round ${round}, number ${k}: ${JSON.stringify(text)}`
      check(t, client.received, calls.get(port)?.methods ?? [], how)
      client.close()
    }))
    const { status } = await ask(request('GET /alive'))
    if (![200, 204, 500].includes(status)) t.fail(`seed ${seed}, round ${round}: a sound request got ${status}`)
  }
  const faults = log.of('error').filter(({ message }) => message !== 'the handler failed')
  t.strictSame(faults, [], `seed ${seed}: no fault of the server's own`)
  t.ok(log.statuses().filter((status) => status === 200).length > rounds, 'some were answered')
  t.ok(log.statuses().filter((status) => status === 400).length > rounds, 'some were refused')
})

t.test('in virtual time: pieces of all sizes, and the same responses whatever the pieces', async (t) => {
  const count = 120
  const texts = Array.from({ length: count }, (_, k) => fuzzedRequests(randomFrom(seed * 7_000_003 + k)))
  const outcomes: string[][] = []
  for (const segment of [1, 13, 65_536]) {
    const calls = new Map<string, Seen>()
    const plain: Handler = (method, query, args, headers, body) => {
      calls.get('all')?.methods.push(method)
      return JSON.stringify([method, query, args, headers, String(body)])
    }
    const results: string[] = []
    await virtually({}, plain, function* ({ connect, log }: World) {
      for (const [k, text] of texts.entries()) {
        const seen: Seen = { methods: [] }
        calls.set('all', seen)
        const client = yield* connect(text)
        yield* client.stream.end()
        while (yield* client.more());
        const how = `seed ${seed}, text ${k}, pieces of up to ${segment}: ${JSON.stringify(text)}`
        check(t, client.received, seen.methods, how)
        // 100 Continue depends on what has come so far, the date on when.
        const { responses } = readResponses(client.received, seen.methods, true)
        const finals = responses.filter(({ status }) => status >= 200)
        results.push(JSON.stringify(finals.map(({ status, body }) => [status, body.toString('latin1')])))
        client.stream.close()
      }
      t.strictSame(log.of('error'), [])
    }, { segment })
    outcomes.push(results)
  }
  for (const [k, text] of texts.entries()) {
    if (outcomes[0][k] !== outcomes[1][k] || outcomes[0][k] !== outcomes[2][k]) {
      const ways = outcomes.map((results) => results[k]).join(' or ')
      t.fail(`seed ${seed}, text ${k} is read in two ways: ${JSON.stringify(text)}: ${ways}`)
    }
  }
  t.equal(outcomes.length, 3)
})

t.test('noise: no byte string makes it throw, hang or respond twice', async (t) => {
  const random = randomFrom(seed + 99)
  const { connect, log } = await serve(t, { connection_limit: 10_000 }, () => 'x')
  for (let round = 0; round < 40; round++) {
    await Promise.all(Array.from({ length: 10 }, async () => {
      const bytes = Buffer.from(Array.from({ length: 1 + random.below(400) }, () => random.below(256)))
      const client = await connect(bytes)
      client.end()
      await client.over
      check(t, client.received, [], `seed ${seed}: ${bytes.toString('hex')}`)
      client.close()
    }))
  }
  t.strictSame(log.of('error'), [])
})
