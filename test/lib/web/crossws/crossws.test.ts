import { defineHooks, type SyncMessage } from 'crossws'
import t from 'tap'
import * as lev from '../../../../lev/index.js'
import { crossws, type CrosswsAdapter, type CrosswsOptions } from '../../../../lib/web/crossws/index.js'
import { fromFetch } from '../../../../lib/web/fetch/index.js'
import { virtually, type World } from '../../../support/virtual.js'
import { request } from '../../../support/serving.js'
import { closeFrame, frame, handshake, opcodes, Peer } from '../../websocket/wire.js'

const { text, binary } = opcodes

/** Serves the hooks in a virtual world. */
function inWorld(options: CrosswsOptions, tell: (world: World, adapter: CrosswsAdapter) => lev.Op<void>): Promise<void> {
  const adapter = crossws(options)
  return virtually({}, fromFetch((given, env) => adapter.handleUpgrade(given, env)), (world) => tell(world, adapter))
}

function* open(world: World, target = '/chat', headers: Record<string, string> = {}): lev.Op<Peer> {
  const peer = new Peer(yield* world.connect(handshake(headers, `GET ${target} HTTP/1.1`)))
  yield* peer.head()
  return peer
}

t.test('the hooks of a conversation, and what they see of peer and message', async (t) => {
  const told: unknown[] = []
  const hooks = defineHooks({
    upgrade: (given) => ({ headers: { 'Set-Cookie': 'a=1', 'X-A': 'b' }, context: { user: new URL(given.url).searchParams.get('user') } }),
    open(peer) {
      told.push(peer.namespace, peer.context['user'], peer.remoteAddress, peer.websocket.readyState, peer.websocket.url, peer.peers.size, peer.request.method)
      peer.send({ welcome: String(peer).length })
    },
    async message(peer, message) {
      await Promise.resolve()
      told.push(message.text(), message.uint8Array().length, typeof message.rawData, message.peer === peer, message.id.length)
      peer.send(message.text() === '[1]' ? message.json() : message.arrayBuffer())
      peer.send(7)
    },
    close(peer, details) {
      told.push(details, peer.websocket.readyState, peer.peers.size, peer.send('late'))
    },
  })
  await inWorld({ hooks }, function* (world, adapter) {
    const peer = new Peer(yield* world.connect(handshake({}, 'GET /chat?user=ann HTTP/1.1')))
    t.match(yield* peer.head(), /^HTTP\/1\.1 101 .*\r\nset-cookie: a=1\r\nx-a: b\r\n/s)
    peer.send(frame(text, '[1]'), frame(binary, 'ab'), closeFrame(4000, 'bye'))
    t.strictSame(yield* peer.all(), ['text {"welcome":36}', 'text [1]', 'text 7', 'binary 6162', 'text 7', 'close 4000'])
    t.equal(adapter.peers.size, 0, 'no namespace is left behind')
    const plain = yield* world.connect(request('GET /chat'))
    t.equal((yield* plain.responses(1))[0]?.status, 426)
    plain.stream.close()
  })
  t.strictSame(told, [
    '/chat', 'ann', '127.0.0.1', 1, 'ws://test/chat?user=ann', 1, 'GET',
    '[1]', 3, 'string', true, 36, 'ab', 2, 'object', true, 36,
    { code: 4000, reason: 'bye' }, 3, 0, 0,
  ])
})

t.test('upgrade refuses by a Response, returned or thrown; an error is a 500', async (t) => {
  const refuse: Record<string, () => Response> = {
    '/returned': () => new Response('who are you?', { status: 401 }),
    '/thrown': () => { throw new Response('not you', { status: 403 }) },
    '/inside': () => { throw Object.assign(new Error('x'), { response: new Response('gone', { status: 410 }) }) },
    '/broken': () => { throw new Error('secret') },
    '/handled': () => ({ handled: true }) as never,
    '/protocol': () => ({ protocol: 'mine' }) as never,
  }
  let opened = 0
  await inWorld({ hooks: { upgrade: (given) => refuse[new URL(given.url).pathname]?.(), open: () => void opened++ } }, function* (world) {
    const statuses = [['/returned', 401], ['/thrown', 403], ['/inside', 410], ['/broken', 500], ['/handled', 500], ['/protocol', 500]] as const
    for (const [path, status] of statuses) {
      const client = yield* world.connect(handshake({}, `GET ${path} HTTP/1.1`))
      t.equal((yield* client.responses(1))[0]?.status, status, path)
      client.stream.close()
    }
    const evil = yield* world.connect(handshake({ Origin: 'https://evil.test' }, 'GET /other HTTP/1.1'))
    t.equal((yield* evil.responses(1))[0]?.status, 403)
    evil.stream.close()
    t.equal(opened, 0)
    t.equal(world.log.of('error').length, 3)
  })
})

t.test('subprotocols: by upgrade, by its headers, by handleProtocols; else none', async (t) => {
  const table: [what: string, options: CrosswsOptions, chosen: string | null][] = [
    ['none', {}, null],
    ['upgrade', { hooks: { upgrade: () => ({ protocol: 'b' }) }, handleProtocols: () => 'a' }, 'b'],
    ['headers', { hooks: { upgrade: () => ({ headers: { 'Sec-WebSocket-Protocol': 'b' } }) } }, 'b'],
    ['handleProtocols', { handleProtocols: async (offered) => [...offered][1] }, 'b'],
    ['handleProtocols: none', { handleProtocols: () => false }, null],
  ]
  for (const [what, options, chosen] of table) {
    await inWorld(options, function* (world) {
      const peer = new Peer(yield* world.connect(handshake({ 'Sec-WebSocket-Protocol': 'a, b' })))
      t.equal(/\r\nSec-WebSocket-Protocol: (.*)\r\n/.exec(yield* peer.head())?.[1] ?? null, chosen, what)
      peer.client.stream.close()
    })
  }
})

t.test('topics: to the other peers of the namespace; from outside to all', async (t) => {
  const hooks = defineHooks({
    open: (peer) => peer.subscribe('news'),
    message(peer, message) {
      if (message.text() === 'leave') peer.unsubscribe('news')
      else peer.publish('news', message.text())
    },
  })
  await inWorld({ hooks }, function* (world, adapter) {
    const [one, two, other] = [yield* open(world), yield* open(world), yield* open(world, '/other')]
    yield* lev.sleep(0.1)
    one.send(frame(text, 'hello'))
    t.strictSame(yield* two.take(1), ['text hello'])
    adapter.publish('news', { all: true })
    adapter.publish('news', 'some', { namespace: '/other' })
    adapter.publish('weather', 'nobody')
    t.strictSame(yield* other.take(2), ['text {"all":true}', 'text some'])
    t.strictSame(yield* one.take(1), ['text {"all":true}'])
    t.strictSame(yield* two.take(2), ['text hello', 'text {"all":true}'])
    two.send(frame(text, 'leave'))
    yield* lev.sleep(0.1)
    adapter.publish('news', 'more')
    yield* one.take(2)
    void adapter.close(1001, 'over')
    t.strictSame((yield* two.take(3)).slice(2), ['close 1001 over'])
    for (const peer of [one, two, other]) peer.client.stream.close()
  })
})

t.test('sync: what is published goes to the other processes, and theirs comes here', async (t) => {
  const sent: SyncMessage[] = []
  let deliver = (_message: SyncMessage): void => {}
  const failed: string[] = []
  const options: CrosswsOptions = {
    hooks: { open: (peer) => peer.subscribe('news'), message: (peer, message) => peer.publish('news', message.text()) },
    sync: () => ({
      subscribe: (given) => void (deliver = given),
      publish(message) {
        sent.push(message)
        if (message.data === 'bad') throw new Error('no backplane')
      },
    }),
    onError: (_error, { stage }) => failed.push(stage),
  }
  await inWorld(options, function* (world, adapter) {
    const one = yield* open(world)
    yield* lev.sleep(0.1)
    deliver({ namespace: '/chat', topic: 'news', data: 'from afar' })
    deliver({ namespace: '/other', topic: 'news', data: 'not for here' })
    deliver({ namespace: '', topic: 'news', data: Uint8Array.of(1) })
    t.strictSame(yield* one.take(2), ['text from afar', 'binary 01'])
    one.send(frame(text, 'mine'))
    yield* lev.sleep(0.1)
    adapter.publish('news', 'bad')
    yield* one.take(3)
    one.client.stream.close()
  })
  t.strictSame(sent, [{ topic: 'news', data: 'mine', namespace: '/chat' }, { topic: 'news', data: 'bad', namespace: '' }])
  t.strictSame(failed, ['publish'])
})

t.test('errors of hooks, a client that is lost or does not read, terminate, and a server that stops', async (t) => {
  const told: unknown[] = []
  const options: CrosswsOptions = {
    websocket: { max_message_size: 5, queue_limit: 1000, close_timeout: 1 },
    hooks: {
      async message(peer, message) {
        if (message.text() === 'fail') throw new Error('thrown')
        if (message.text() === 'end') return peer.terminate()
        if (message.text() === 'ping') return void peer.ping()
        if (message.text() === 'wait') {
          peer.send('x'.repeat(900))
          told.push(peer.bufferedAmount > 0)
          await peer.waitForDrain()
          told.push(peer.bufferedAmount)
          return
        }
        while (peer.websocket.readyState === 1) peer.send('x'.repeat(600))
      },
      error: (_peer, error) => void told.push(error.message),
      close: (_peer, { code }) => void told.push(code),
    },
  }
  await inWorld(options, function* (world) {
    const failing = yield* open(world)
    failing.send(frame(text, 'fail'))
    t.strictSame(yield* failing.all(), ['close 1011'])
    t.strictSame(told.splice(0), ['thrown', 1011])
    t.match(world.log.of('error'), [{ err: { message: 'thrown' } }])
    const lost = yield* open(world)
    lost.client.stream.reset()
    yield* lev.sleep(0.1)
    t.strictSame(told.splice(0), [1006])
    const ended = yield* open(world)
    ended.send(frame(text, 'end'))
    yield* ended.client.more()
    t.equal(ended.client.ending, 'reset')
    yield* lev.sleep(0.1)
    t.strictSame(told.splice(0), [1006])
    const large = yield* open(world)
    large.send(frame(text, 'sixsix'))
    t.match((yield* large.all())[0], /^close 1009/)
    t.strictSame(told.splice(0), [1009])
    const pinged = yield* open(world)
    pinged.send(frame(text, 'ping'), frame(text, 'wait'))
    t.match((yield* pinged.take(2))[0], /^ping/)
    yield* lev.sleep(1)
    t.strictSame(told.splice(0), [true, 0])
    pinged.client.stream.reset()
    yield* lev.sleep(0.1)
    t.strictSame(told.splice(0), [1006])
    const slow = yield* open(world)
    slow.send(frame(text, 'flood'))
    yield* lev.sleep(5)
    t.strictSame(told.splice(0), [1008])
    slow.client.stream.close()
    const last = yield* open(world)
    void world.server.stop({ drain: 5 })
    t.match((yield* last.take(1))[0], /^close 1001/)
    last.client.stream.close()
    yield* lev.sleep(0.1)
    t.strictSame(told, [1001])
  })
})

t.test('hooks that are found for each request, beside those for all', async (t) => {
  const told: string[] = []
  const options: CrosswsOptions = {
    hooks: { upgrade: () => ({ context: { from: 'all' } }), open: (peer) => void told.push(`all ${String(peer.context['from'])}`) },
    resolve: async (given) => ({
      upgrade: () => ({ namespace: 'rooms' }), open: (peer) => void told.push(`${peer.namespace} of ${new URL(given.url).pathname}`),
    }),
  }
  await inWorld(options, function* (world) {
    const peer = yield* open(world, '/blue')
    yield* lev.sleep(0.1)
    peer.client.stream.close()
  })
  t.strictSame(told, ['all all', 'rooms of /blue'])
  t.throws(() => crossws({ websocket: { max_message_size: -1 } }), { code: 'LEVERET_CONFIG', key: 'max_message_size' })
})
