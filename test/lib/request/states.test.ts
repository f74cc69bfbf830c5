import { fileURLToPath } from 'node:url'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import type * as server from '../../../lib/index.js'
import { RequestState, states, transitions, type Transition } from '../../../lib/request/states.js'
import { projectRoot, readSources } from '../../house-rules.js'
import { request } from '../../support/serving.js'
import { virtually, type VirtualClient } from '../../support/virtual.js'

type Name = keyof typeof transitions

const names = Object.keys(transitions) as Name[]

/** The shortest way to each state. */
const ways: Record<keyof typeof states, readonly Name[]> = {
  idle: [],
  head: ['headBegun'],
  body: ['headRead'],
  handler: ['headRead', 'handlerCalled'],
  sending: ['headRead', 'handlerCalled', 'responseBegun'],
  done: ['abandoned'],
}

/** The rows that the table is to have: from each state, the transitions that can be made. */
const allowed: Record<keyof typeof states, readonly Name[]> = {
  idle: ['headBegun', 'headRead', 'responseBegun', 'abandoned'],
  head: ['headRead', 'responseBegun', 'abandoned'],
  body: ['handlerCalled', 'responseBegun', 'abandoned'],
  handler: ['responseBegun', 'responseEnded', 'abandoned'],
  sending: ['responseEnded', 'abandoned'],
  done: [],
}

/** The answers of a state to the questions about it: those that are true. */
const truths: Record<keyof typeof states, readonly string[]> = {
  idle: ['isIdle', 'isBeforeHandler'],
  head: ['isBeforeHandler'],
  body: ['isBeforeHandler', 'mayPutInterim', 'isLogged'],
  handler: ['isInHandler', 'mayPutInterim', 'isLogged'],
  sending: ['isSending', 'isLogged'],
  done: ['isDone'],
}

function inState(name: keyof typeof states): RequestState {
  const state = new RequestState()
  for (const step of ways[name]) state.advance(transitions[step])
  return state
}

function whatIsTrueOf(state: RequestState): string[] {
  const questions = Object.entries(Object.getOwnPropertyDescriptors(RequestState.prototype)).filter(([, { get }]) => get !== undefined)
  return questions.map(([name]) => name).filter((name) => Reflect.get(state, name) === true)
}

t.test('every pair of a state and a transition: only those of the table can be made', async (t) => {
  for (const name of Object.keys(states) as (keyof typeof states)[]) {
    t.strictSame(whatIsTrueOf(inState(name)), truths[name], name)
    for (const transition of names) {
      const state = inState(name)
      if (allowed[name].includes(transition)) {
        state.advance(transitions[transition])
        const after = Object.entries(states).find(([, bit]) => bit === transitions[transition].to)?.[0] as keyof typeof states
        t.strictSame(whatIsTrueOf(state), truths[after], `${name}: ${transition}`)
      } else {
        t.throws(() => state.advance(transitions[transition]), { message: /cannot go/ }, `${name}: ${transition}`)
        t.strictSame(whatIsTrueOf(state), truths[name], `${name}: ${transition} changed nothing`)
      }
    }
  }
})

t.test('transitions are asked for in the folders that the table names', async (t) => {
  const root = projectRoot(fileURLToPath(new URL('.', import.meta.url)))
  const found = new Set<string>()
  for (const { path, text } of readSources(root, ['lib'])) {
    if (path === 'lib/request/states.ts') continue
    for (const [, what] of text.matchAll(/\.advance\((.*?)\)/g)) found.add(`${what} in ${path.split('/')[1]}`)
  }
  const named = names.flatMap((name) => transitions[name].by.map((folder) => `transitions.${name} in ${folder}`))
  t.strictSame([...found].sort(), named.sort())
})

/** Runs `story` and gives each transition made meanwhile, as `state: transition`, and the number of requests that did not end. */
async function watching(story: () => Promise<void>): Promise<{ seen: Set<string>; open: number }> {
  const seen = new Set<string>()
  const now = new Map<RequestState, number>()
  const nameOf = (bit: number): string => Object.entries(states).find(([, one]) => one === bit)?.[0] ?? 'none'
  const real = Object.getOwnPropertyDescriptor(RequestState.prototype, 'advance')
  if (real === undefined) throw new Error('advance is not where it is replaced')
  const advance = real.value as (this: RequestState, transition: Transition) => void
  Object.defineProperty(RequestState.prototype, 'advance', {
    ...real,
    value(this: RequestState, transition: Transition): void {
      const which = names.find((name) => transitions[name] === transition)
      seen.add(`${nameOf(now.get(this) ?? states.idle)}: ${which}`)
      now.set(this, transition.to)
      advance.call(this, transition)
    },
  })
  try {
    await story()
  } finally {
    Object.defineProperty(RequestState.prototype, 'advance', real)
  }
  return { seen, open: [...now.values()].filter((state) => state !== states.done).length }
}

const handle: server.Handler = function* (_method, query, _args, _headers, _body, ctx) {
  if (query === '/sleep') yield* lev.sleep(100)
  if (query === '/fails') throw new Error('as asked')
  if (query === '/itself') {
    ctx.client.put('HTTP/1.1 204 No Content\r\n\r\n')
    return undefined
  }
  if (query === '/stream') {
    return [function* (out: server.Out): Op<void> {
      out.write('piece')
      yield* out.flush()
      yield* lev.sleep(100)
    }]
  }
  if (query === '/text') return yield* ctx.body.text()
  if (query === '/ws') return ctx.upgrade(function* (ws) {
    yield* ws.send('hello')
  })
  return 'done'
}

t.test('real requests make the transitions of the table, all of them, and each request ends', async (t) => {
  const lives: ((client: VirtualClient) => Op<void>)[] = []
  /** A client that sends `parts` with a pause between, then leaves or reads to the end of the connection. */
  const life = (parts: readonly string[], leave = false): void => void lives.push(function* (client) {
    for (const part of parts) {
      client.send(part)
      yield* lev.sleep(1)
    }
    if (leave) client.stream.reset()
    else while (yield* client.more());
  })
  const close = { Connection: 'close' }
  const whole = request('GET /', close)
  life([whole])
  life([request('GET /'), whole])
  life([whole.slice(0, 20), whole.slice(20)])
  life([request('GET /itself', close)])
  life([request('GET /fails', close)])
  life([request('POST /', close, 'body').slice(0, -2), 'dy'])
  life([request('POST /text', { ...close, 'Content-Encoding': 'gzip' }, 'not gzip')])
  life(['NOT HTTP\r\n\r\n'])
  life(['GET / HTTP/1.1\r\n', 'no colon\r\n\r\n'])
  life([request('GET /').slice(0, 20)])
  life([request('POST /', { 'Content-Length': '999999999' })])
  life([request('POST /', {}, 'body').slice(0, -2)])
  life([request('GET /ws', {
    Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
  })])
  life([], true)
  life(['GET / HT'], true)
  life([request('POST /', {}, 'body').slice(0, -2)], true)
  life([request('GET /sleep')], true)
  life([request('GET /stream')], true)

  const faults: string[] = []
  const { seen, open } = await watching(async () => {
    for (const config of [{}, { buffer_body: false }]) await virtually(config, handle, function* ({ connect, log }) {
      yield* lev.scope(function* (scope) {
        for (const live of lives) {
          const client = yield* connect()
          scope.spawn(() => live(client))
        }
      })
      // Each client that left is noticed before the server is stopped.
      yield* lev.sleep(200)
      faults.push(...log.entries.map(({ message }) => message).filter((message) => message === 'a connection failed'))
    })
  })
  t.equal(open, 0)
  t.strictSame(faults, [])
  const table = names.flatMap((name) => Object.entries(states)
    .filter(([, bit]) => (transitions[name].from & bit) !== 0).map(([state]) => `${state}: ${name}`))
  t.strictSame([...seen].sort(), table.sort())
})
