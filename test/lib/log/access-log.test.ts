import assert from 'node:assert/strict'
import fc from 'fast-check'
import { pino } from 'pino'
import t from 'tap'
import { accessEnabled, logAccess } from '../../../lib/log/access-log.js'
import type { RequestEnded } from '../../../lib/observe/events.js'
import { logValueCharacters } from '../../../lib/config/fixed-limits.js'
import { defaults } from '../../../lib/config/settings.js'
import { escapeLine } from '../../../lib/log/stdout-sink.js'
import { ServerLog } from '../../../lib/log/logger.js'

/** What the server's own sink does to lines, with the lines kept. */
function keep(): { lines: string[]; write(line: string): void } {
  const lines: string[] = []
  return { lines, write: (line) => lines.push(escapeLine(line)) }
}

const record: RequestEnded = {
  connection: 1, count: 1, host: 'example.com', client_ip: '192.0.2.1', method: 'GET', path: '/a', status: 200, bytesIn: 0, bytesOut: 12,
  duration: 0.0012345678, outcome: 'complete', route: null, reason: null, headers: fields({}),
}

function fields(values: Record<string, string>): Map<string, string> {
  return new Map(Object.entries(values))
}

function lineOf(given: Partial<RequestEnded>, logHeaders = defaults.log_headers): string {
  const sink = keep()
  const log = new ServerLog(defaults, sink)
  logAccess(log.logger, { ...record, ...given }, logHeaders)
  assert.equal(sink.lines.length, 1)
  return sink.lines[0]
}

t.test('one line, its members in order, those without a value left out', async (t) => {
  const line = lineOf({
    headers: fields({
      'user-agent': 'curl/8', referer: 'http://r/',
      'x-real-ip': '198.51.100.7', 'x-forwarded-for': '198.51.100.7, 10.0.0.1',
    }),
  })
  t.match(line, /^\{"level":"access","ts":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","vhost":"example\.com",/)
  t.ok(line.endsWith('\n'))
  const parsed = JSON.parse(line) as Record<string, unknown>
  t.strictSame(Object.keys(parsed), ['level', 'ts', 'vhost', 'client_ip', 'method', 'query', 'status', 'size', 'time',
    'forwarded_for', 'forwarded_real_ip', 'referer', 'x-real-ip', 'user-agent'])
  t.match(parsed, {
    vhost: 'example.com', client_ip: '192.0.2.1', method: 'GET', query: '/a', status: 200, size: 12, time: 0.001235,
    forwarded_for: '198.51.100.7, 10.0.0.1', forwarded_real_ip: '198.51.100.7', referer: 'http://r/',
    'x-real-ip': '198.51.100.7', 'user-agent': 'curl/8',
  })
  const bare = JSON.parse(lineOf({ headers: fields({ 'x-real-ip': record.client_ip }) })) as Record<string, unknown>
  t.strictSame(Object.keys(bare).slice(8), ['time', 'x-real-ip'], 'forwarded_real_ip only when it differs')
})

t.test('requests of which little is known, responses without content', async (t) => {
  const line = lineOf({ host: '', method: '', path: '', status: 400, bytesOut: 0, duration: 0 })
  t.match(JSON.parse(line), { vhost: '', method: '', query: '', status: 400, size: 0, time: 0 })
  t.match(JSON.parse(lineOf({ status: 499, duration: NaN })), { status: 499, time: null })
})

t.test('log_headers decides which headers are logged, in which order', async (t) => {
  const headers = fields({ accept: '*/*', cookie: 'a=b', 'x-b': '2' })
  const parsed = JSON.parse(lineOf({ headers }, ['x-b', 'missing', 'accept'])) as Record<string, unknown>
  t.strictSame(Object.keys(parsed).slice(9), ['x-b', 'accept'])
})

t.test('long values are cut', async (t) => {
  const long = 'x'.repeat(100_000)
  const parsed = JSON.parse(lineOf({
    host: long, method: long, path: long,
    headers: fields({ referer: long, 'x-real-ip': long, 'x-forwarded-for': long }),
  })) as Record<string, string>
  const cut = `${'x'.repeat(logValueCharacters - 3)}...`
  for (const name of ['vhost', 'method', 'query', 'referer', 'forwarded_for', 'forwarded_real_ip']) {
    t.equal(parsed[name], cut, name)
  }
  const fits = 'x'.repeat(logValueCharacters)
  t.equal((JSON.parse(lineOf({ path: fits })) as { query: string }).query, fits)
})

t.test('the level decides, and changes at once', async (t) => {
  const sink = keep()
  const log = new ServerLog(defaults, sink)
  const { logger } = log
  for (const [level, enabled] of [['debug', true], ['access', true], ['info', false], ['warn', false], ['error', false],
    ['access', true]] as const) {
    log.configure({ ...defaults, log_level: level })
    t.equal(log.logger, logger)
    t.equal(accessEnabled(logger), enabled, level)
    const before = sink.lines.length
    logAccess(logger, record, [])
    t.equal(sink.lines.length - before, enabled ? 1 : 0)
  }
})

/** Text that is hostile to logs: controls, quotes, escapes, JSON, all of latin1, separators, lone surrogates. */
const hostile = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 300 }).map((bytes) => String.fromCharCode(...bytes)),
  fc.array(fc.constantFrom('"', '\\', '\n', '\r', '\u2028', '\u2029', '\x7f', '\x1b[2J', '\x9b31m',
    '\u202e', '\ufeff', '\ud800', '\0', '","status":200,"x":"', '}\n{"level":"error"', '\\u000a', '%s%o%j',
  ), { maxLength: 200 }).map((parts) => parts.join('')),
)

/** Nothing but printable text on one line: what no terminal acts upon, and no reader takes for two lines. */
const printable = /^[^\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]*\n$/

const hostileRecord = fc.record({
  host: hostile, method: hostile, path: hostile,
  userAgent: hostile, referer: hostile, forwardedFor: hostile, realIp: hostile,
})

t.test('no request forges a line: it is one line, and says what was sent', async () => {
  fc.assert(fc.property(hostileRecord, (r) => {
    const line = lineOf({
      host: r.host, method: r.method, path: r.path, status: 404, bytesOut: 1, duration: 1,
      headers: fields({
        'user-agent': r.userAgent, referer: r.referer, 'x-forwarded-for': r.forwardedFor, 'x-real-ip': r.realIp,
      }),
    })
    assert.match(line, printable)
    const { ts, ...parsed } = JSON.parse(line) as Record<string, unknown>
    assert.equal(typeof ts, 'string')
    const cut = (text: string): string => (text.length <= logValueCharacters ? text : `${text.slice(0, logValueCharacters - 3)}...`)
    assert.deepStrictEqual(parsed, {
      level: 'access', vhost: cut(r.host), client_ip: record.client_ip, method: cut(r.method), query: cut(r.path),
      status: 404, size: 1, time: 1, forwarded_for: cut(r.forwardedFor), forwarded_real_ip: cut(r.realIp),
      referer: cut(r.referer), 'x-real-ip': cut(r.realIp), 'user-agent': cut(r.userAgent),
    })
  }), { numRuns: 300 })
})

t.test('nor through what a handler logs', async () => {
  fc.assert(fc.property(hostile, hostile, (text, other) => {
    const sink = keep()
    const { logger } = new ServerLog(defaults, sink)
    logger.info(text)
    logger.warn({ text, nested: { [other]: text } }, other)
    logger.error(new Error(text))
    logger.child({ bound: text }).info(other)
    assert.equal(sink.lines.length, 4)
    for (const line of sink.lines) assert.match(line, printable)
    const parsed = sink.lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    assert.equal(parsed[0].msg, text)
    assert.deepEqual(parsed[1].text, text)
    assert.equal((parsed[2].err as { message: string }).message, text)
    assert.equal(parsed[3].bound, text)
  }), { numRuns: 200 })
})

t.test('nor in a logger of the user, which may escape nothing', async () => {
  fc.assert(fc.property(hostileRecord, (r) => {
    const kept: Record<string, unknown>[] = []
    const take = (line: object | string): void => { kept.push(line as Record<string, unknown>) }
    const logger = { debug: take, info: take, warn: take, error: take }
    const log = new ServerLog({ ...defaults, logger }, keep())
    logAccess(log.logger, { ...record, ...r, headers: fields({ 'user-agent': r.userAgent, referer: r.referer }) },
      defaults.log_headers)
    assert.equal(kept.length, 1)
    for (const value of Object.values(kept[0])) assert.match(`${String(value)}\n`, printable)
  }), { numRuns: 300 })
})

t.test('a pino of the user gets each member once', async (t) => {
  for (const [timestamp, name] of [[true, 'duration'], [false, 'time']] as const) {
    const lines: string[] = []
    const logger = pino({ timestamp, base: null }, { write: (line) => { lines.push(line) } })
    logAccess(new ServerLog({ ...defaults, logger }, keep()).logger, record, [])
    t.equal(lines.length, 1)
    t.equal(lines[0].split('"time":').length - 1, 1)
    t.match(JSON.parse(lines[0]), { level: 30, query: '/a', [name]: 0.001235 })
  }
})
