import t from 'tap'
import { defaults } from '../../../lib/index.js'
import { request, serve } from '../../support/serving.js'
import { virtually, type World } from '../../support/virtual.js'

const head = (lines: string): string => `GET / HTTP/1.1\r\nHost: t\r\n${lines}\r\n`

/** A head of exactly `size` bytes, in lines that are not too long. */
function headOf(size: number): string {
  const line = `X-Filler: ${'x'.repeat(1000)}\r\n`
  const start = 'GET / HTTP/1.1\r\nHost: t\r\n'
  let lines = ''
  while (start.length + lines.length + 2 * line.length < size) lines += line
  const left = size - start.length - lines.length - 'X: \r\n\r\n'.length
  return `${start}${lines}X: ${'x'.repeat(left)}\r\n\r\n`
}

/** A request at a default limit, and one beyond it. */
const limits: Record<string, [fits: string, over: string, status: number, reason: string]> = {
  'the request line': [
    `GET /${'x'.repeat(8192 - 14)} HTTP/1.1\r\nHost: t\r\n\r\n`,
    `GET /${'x'.repeat(8193 - 14)} HTTP/1.1\r\nHost: t\r\n\r\n`,
    414, 'header line limit violation: 8193',
  ],
  'one field line': [
    head(`X: ${'x'.repeat(8192 - 3)}\r\n`), head(`X: ${'x'.repeat(8193 - 3)}\r\n`), 431,
    'header line limit violation: 8193',
  ],
  'number of fields': [
    head('X: y\r\n'.repeat(99)), head('X: y\r\n'.repeat(100)), 431, 'header count limit violation: 101',
  ],
  'size of the head': [headOf(65_536), headOf(65_537), 431, 'header size limit violation: 65537'],
  'the body': [
    request('POST /', {}, 'x'.repeat(5 * 1024 * 1024)), request('POST /', {}, 'x'.repeat(5 * 1024 * 1024 + 1)),
    413, 'max_body_size limit violation: 5242881',
  ],
}

t.test('the defaults are those of the table', async (t) => {
  t.match(defaults, {
    ip: '127.0.0.1', port: 8080, backlog: 256, reuse_port: false, connection_limit: 64,
    requests_per_connection: 512,
    max_body_size: 5 * 1024 * 1024,
    request_line_limit: 8192, header_count_limit: 100, header_size_limit: 65_536, min_transfer_rate: 500,
    keepalive_idle_timeout: 15, request_header_timeout: 10, request_body_timeout: 30, tls_handshake_timeout: 10,
    send_timeout: 30, handler_timeout: null,
    compression: { enabled: true, min_size: 4096 }, log_level: 'access',
    log_headers: ['referer', 'x-real-ip', 'user-agent'],
    half_close: 'cancel',
  })
  t.strictSame(defaults.compression.types, ['text/html', 'text/plain', 'text/css', 'text/javascript', 'image/svg+xml',
    'application/json', 'application/rss+xml'])
})

for (const [what, [fits, over, status, reason]] of Object.entries(limits)) {
  t.test(`${what}: at its limit and beyond, with the default settings`, async (t) => {
    const { ask } = await serve(t, {}, () => 'fine')
    t.equal((await ask(fits)).status, 200)
    const refused = await ask(over)
    t.equal(refused.status, status)
    t.match(refused.body.toString(), reason)
  })

  t.test(`${what}: the same in small pieces`, async (t) => {
    await virtually({}, () => 'fine', function* ({ connect }: World) {
      const good = yield* connect(fits)
      t.equal((yield* good.responses(1))[0].status, 200)
      const bad = yield* connect(over)
      t.equal((yield* bad.responses(1))[0].status, status)
    }, { segment: what === 'the body' ? 100_000 : 700 })
  })
}

t.test('a limit that another setting makes smaller', async (t) => {
  const { ask } = await serve(t, { request_line_limit: 64, header_size_limit: 32 }, () => 'fine')
  const { body } = await ask(`GET /${'x'.repeat(40)} HTTP/1.1\r\nHost: t\r\n\r\n`)
  t.match(body.toString(), 'header size limit violation: 33')
})

t.test('max_body_size: 0 takes no content', async (t) => {
  const { ask } = await serve(t, { max_body_size: 0 }, (_method, _query, _args, _headers, body) => String(body?.length))
  t.equal((await ask(request('POST /', { 'Content-Length': '0' }))).status, 200)
  t.equal((await ask(request('POST /', { 'Transfer-Encoding': 'chunked' }, '0\r\n\r\n'))).status, 200)
  t.equal((await ask(request('POST /', {}, 'x'))).status, 413)
})
