import t from 'tap'
import * as lev from '../../../lev/index.js'
import { eventStream, type EventSender } from '../../../lib/index.js'
import { valueOf } from '../../support/responses.js'
import { request } from '../../support/serving.js'
import { virtually, type World } from '../../support/virtual.js'

t.test('events as the format has them, and a heartbeat when there are none', async (t) => {
  await virtually({}, () => eventStream(function* (events) {
    yield* events.send('one')
    yield* events.send({ a: 1 }, { event: 'json', id: 7, retry: 2 })
    yield* events.send('two\r\nlines\rand\nmore')
    yield* lev.sleep(25)
    yield* events.comment('a\nb')
    yield* events.send('')
  }, { heartbeat: 10, retry: 1.5, headers: { 'X-More': 'y' } }), function* ({ connect, log }: World) {
    const client = yield* connect(request('GET /'))
    const [response] = yield* client.responses(1)
    t.equal(valueOf(response, 'content-type'), 'text/event-stream')
    t.equal(valueOf(response, 'cache-control'), 'no-store')
    t.equal(valueOf(response, 'x-more'), 'y')
    t.equal(response.body.toString(), 'retry: 1500\n\ndata: one\n\nretry: 2000\nevent: json\nid: 7\ndata: {"a":1}\n\n'
      + 'data: two\ndata: lines\ndata: and\ndata: more\n\n:\n\n:\n\n: a\n: b\n\ndata: \n\n')
    t.strictSame(log.of('error'), [])
  })
})

t.test('the head leaves at once, and the generator ends with its client', async (t) => {
  let ended = false
  await virtually({}, () => eventStream(function* () {
    try {
      yield* lev.sleep(Infinity)
    } finally {
      ended = true
    }
  }), function* ({ connect, log }: World) {
    const client = yield* connect(request('GET /'))
    yield* client.more()
    t.match(client.text, /^HTTP\/1.1 200 OK\r\n/)
    t.ok(lev.now() < 1)
    client.stream.close()
    yield* lev.sleep(1)
    t.ok(ended)
    t.strictSame(log.statuses(), [499])
  })
})

t.test('a server that stops does not wait for streams, unless they say that nothing ends them', async (t) => {
  const events: string[] = []
  for (const asked of ['before', 'after', 'default', 'never'] as const) {
    events.length = 0
    await virtually({}, function* (_method, _query, _args, _headers, _body, ctx) {
      const { draining } = ctx
      draining.addEventListener('abort', () => events.push('draining'))
      if (asked === 'after') yield* lev.sleep(2)
      return eventStream(function* (sender) {
        try {
          yield* sender.send('first')
          yield* lev.sleep(Infinity)
        } finally {
          events.push('closed')
        }
      }, asked === 'default' ? {} : { until: asked === 'never' ? null : draining })
    }, function* ({ connect, server, log }: World) {
      const client = yield* connect(request('GET /'))
      yield* lev.sleep(1)
      const began = lev.now()
      const stopping = server.stop({ drain: 100 })
      if (asked !== 'never') {
        const [{ body }] = yield* client.responses(1)
        t.equal(body.toString(), asked === 'after' ? '' : 'data: first\n\n', 'it ends in order')
      }
      yield* lev.wait(stopping)
      t.ok(asked === 'never' ? lev.now() - began >= 100 : lev.now() - began < 5, `${asked}: stopped after ${lev.now() - began} s`)
      t.strictSame(log.statuses(), [asked === 'never' ? 499 : 200])
      t.strictSame(events, asked === 'after' ? ['draining'] : ['draining', 'closed'])
      t.strictSame(log.of('error'), [])
    })
  }
})

t.test('an error of a stream that ends with a signal is not lost, and the signal is let go of', async (t) => {
  const controller = new AbortController()
  let listeners = 0
  const { addEventListener, removeEventListener } = controller.signal
  controller.signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listeners++
    addEventListener.apply(controller.signal, args)
  }
  controller.signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listeners--
    removeEventListener.apply(controller.signal, args)
  }
  await virtually({}, (_method, query) => eventStream(function* (sender) {
    yield* sender.send('x')
    if (query === '/fails') throw new Error('broken')
    if (query === '/waits') yield* lev.sleep(Infinity)
  }, { until: controller.signal }), function* ({ connect, log }: World) {
    for (const path of ['/ends', '/fails', '/waits']) {
      const client = yield* connect(request(`GET ${path}`))
      yield* lev.sleep(1)
      if (path === '/waits') t.equal(listeners, 1)
      client.stream.reset()
      yield* lev.sleep(1)
      t.equal(listeners, 0, path)
    }
    t.match(log.of('error'), [{ err: { message: 'broken' } }])
    t.equal(log.of('error').length, 1)
  })
})

t.test('retry is digits, however large it is', async (t) => {
  const times: [seconds: number, line: string][] = [
    [0, '0'], [0.0004, '0'], [1.9999, '2000'], [86_400, '86400000'], [1e18, '1000000000000000000000'],
    [2 ** 53 + 2, '9007199254740994000'],
    [1e300, `${BigInt(1e300)}000`],
  ]
  for (const [retry, digits] of times) {
    await virtually({}, () => eventStream(function* (events) {
      yield* events.send('x', { retry })
    }, { retry }), function* ({ connect }: World) {
      const [{ body }] = yield* (yield* connect(request('GET /'))).responses(1)
      t.equal(body.toString(), `retry: ${digits}\n\nretry: ${digits}\ndata: x\n\n`)
    })
  }
})

t.test('what cannot be sent names the argument', async (t) => {
  const wrong: [string, (events: EventSender) => lev.Op<void>][] = [
    ['event', (events) => events.send('x', { event: 'a\nb' })],
    ['id', (events) => events.send('x', { id: 'a\0b' })],
    ['retry', (events) => events.send('x', { retry: -1 })],
    ['data', (events) => events.send(undefined)],
    ['data', (events) => events.send(1n)],
  ]
  for (const [argument, send] of wrong) {
    await virtually({}, () => eventStream(send), function* ({ connect, log }: World) {
      yield* (yield* connect(request('GET /'))).stream.read()
      yield* lev.sleep(1)
      t.match(log.of('error')[0].err, { code: 'LEVERET_ARGUMENT', argument })
    })
  }
  t.throws(() => eventStream(function* () {}, { heartbeat: NaN }), { code: 'LEVERET_ARGUMENT', argument: 'heartbeat' })
  t.throws(() => eventStream(function* () {}, { until: 1 as never }), { code: 'LEVERET_ARGUMENT', argument: 'until' })
  t.throws(() => eventStream(null as never), { code: 'LEVERET_ARGUMENT', argument: 'produce' })
})

t.test('options that cannot be name themselves', async (t) => {
  for (const [argument, options] of [
    ['options', 5], ['options', null], ['beat', { beat: 1 }], ['headers', { headers: 5 }], ['until', { until: 5 }], ['heartbeat', { heartbeat: '1' }],
    ['retry', { retry: -1 }],
  ] as [string, never][]) {
    t.throws(() => eventStream(function* () {}, options), { code: 'LEVERET_ARGUMENT', argument } as never, JSON.stringify(options))
  }
})
