import { pino } from 'pino'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Context, Handler, LoggerLike } from '../../../lib/index.js'
import { wrap } from '../../../lib/web/wrap.js'
import { request } from '../../support/serving.js'
import { virtually } from '../../support/virtual.js'

/** Loggers of users, with the lines that they get. */
const loggers: Readonly<Record<string, (lines: Record<string, unknown>[]) => LoggerLike>> = {
  pino: (lines) => pino({ base: null, timestamp: false, level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) }),
  'one that has no children': (lines) => {
    const method = (fields: string | object, message?: string): void => void lines.push(typeof fields === 'string' ? { msg: fields } : { ...fields, msg: message })
    return { debug: method, info: method, warn: method, error: method }
  },
}

let last = 0

function withId(handler: Handler): Handler {
  return wrap(handler, ({ ctx }, next) => {
    ctx.addLogFields({ request_id: `r-${++last}` })
    return next()
  })
}

const handler = withId(async (_method, query, _args, _headers, _body, ctx) => {
  ctx.logger.info('by the handler')
  if (query === '/fails') throw new Error('fails')
  if (query === '/wrong') return ['x', 200, { 'X-Wrong': '\n' }]
  if (query === '/detached') ctx.detach(function* () {
    yield* lev.sleep(0.5)
    throw new Error('detached')
  })
  if (query === '/more') ctx.addLogFields({ user: 'ann\n' })
  if (query === '/ws') return ctx.upgrade(() => { throw new Error('in a WebSocket') })
  return await Promise.resolve('x')
})

const handshake = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==' }

for (const [kind, loggerOf] of Object.entries(loggers)) {
  t.test(`fields of a request are in each of its lines, and of no other: ${kind}`, async (t) => {
    const lines: Record<string, unknown>[] = []
    last = 0
    await virtually({ logger: loggerOf(lines) }, handler, function* ({ connect }) {
      for (const path of ['/', '/fails', '/wrong', '/detached', '/more']) {
        const client = yield* connect(request(`GET ${path}`))
        yield* client.responses(1)
        yield* lev.sleep(1)
      }
      const client = yield* connect(request('GET /ws', handshake))
      yield* client.more()
      yield* lev.sleep(1)
    })
    const told = lines.filter((line) => !/^Started/.test(String(line.msg))).map(({ request_id, user, msg, query, status }) => [request_id, user, msg, query, status].filter((value) => value !== undefined).join(' '))
    t.strictSame(told, [
      'r-1 by the handler', 'r-1 / 200',
      'r-2 by the handler', 'r-2 the handler failed /fails', 'r-2 /fails 500',
      'r-3 by the handler', 'r-3 the handler\'s response cannot be sent /wrong', 'r-3 /wrong 500',
      'r-4 by the handler', 'r-4 /detached 200', 'r-4 a detached task failed /detached',
      'r-5 by the handler', 'r-5 ann\\u000a /more 200',
      'r-6 by the handler', 'r-6 /ws 101', 'r-6 the handler failed /ws', 'r-6 WebSocket closed /ws',
    ])
  })
}

t.test('an error that comes too late has them too', async (t) => {
  const lines: Record<string, unknown>[] = []
  let fail = (): void => {}
  const failing = withId(() => new Promise((_resolve, reject) => { fail = () => reject(new Error('late')) }))
  last = 0
  await virtually({ logger: loggers.pino(lines) }, failing, function* ({ connect }) {
    const client = yield* connect(request('GET /'))
    yield* lev.sleep(1)
    client.stream.close()
    yield* lev.sleep(1)
    fail()
    yield* lev.sleep(1)
  })
  t.strictSame(lines.filter(({ request_id }) => request_id === 'r-1').map(({ msg }) => msg), [undefined, 'the handler failed after its request was over'])
})

t.test('a logger whose child cannot be made: the server adds the fields, and requests go on', async (t) => {
  const lines: Record<string, unknown>[] = []
  const told = t.capture(console, 'error')
  const broken: LoggerLike = { ...loggers['one that has no children'](lines), child: () => { throw new Error('no children') } }
  last = 0
  await virtually({ logger: broken }, handler, function* ({ connect }) {
    for (const [path, status] of [['/', 200], ['/fails', 500]] as const) {
      const client = yield* connect(request(`GET ${path}`))
      t.equal((yield* client.responses(1))[0].status, status)
    }
  })
  t.strictSame(lines.map(({ request_id }) => request_id).filter(Boolean), ['r-1', 'r-1', 'r-2', 'r-2', 'r-2'])
  t.match(told(), [{ args: [/the logger failed/, 'no children'] }])
  t.equal(told().length, 0)
})

t.test('names that lines have already', async (t) => {
  const seen: unknown[] = []
  await virtually({ log_headers: ['X-Id'] }, (_method, _query, _args, _headers, _body, ctx: Context) => {
    for (const name of ['status', 'level', 'route', 'msg', 'x-id']) t.throws(() => ctx.addLogFields({ [name]: 1 }), { code: 'LEVERET_ARGUMENT', message: `addLogFields: the lines of the log have something else named ${name}` })
    seen.push(ctx.logger === ctx.logger)
    return 'x'
  }, function* ({ connect }) {
    yield* (yield* connect(request('GET /'))).responses(1)
  })
  t.strictSame(seen, [true])
})
