import t from 'tap'
import { curl } from '../../support/curl.js'
import { saysClose } from '../../support/responses.js'
import { request, serve } from '../../support/serving.js'

const settings = {
  max_body_size: 1000, request_line_limit: 200, header_count_limit: 10, header_size_limit: 1000, connection_limit: 1000,
}

const head = (lines: string): string => `GET / HTTP/1.1\r\nHost: t\r\n${lines}\r\n\r\n`
const post = (lines: string, body = ''): string => `POST / HTTP/1.1\r\nHost: t\r\n${lines}\r\n\r\n${body}`
const chunked = (body: string): string => post('Transfer-Encoding: chunked', body)
const long = 'x'.repeat(250)

const uncalled = (): null => {
  t.fail('a handler was called')
  return null
}

/** Every kind of request that is refused: the request, the status, and what the response says. */
const refused: [what: string, text: string, status: number, reason: string][] = [
  ['blank lines', '\r\n'.repeat(50) + head('A: b'), 400, 'too many blank lines'],
  ['bare LF', 'GET / HTTP/1.1\nHost: t\n\n', 400, 'malformed HTTP version'],
  ['bare LF behind a field', 'GET / HTTP/1.1\r\nHost: t\nA: b\r\n\r\n', 400, 'bare LF'],
  ['bare CR', 'GET / HTTP/1.1\r\nHost: t\rA: b\r\n\r\n', 400, 'bare CR'],
  ['no method', ' / HTTP/1.1\r\nHost: t\r\n\r\n', 400, 'malformed method'],
  ['method', 'G@T / HTTP/1.1\r\nHost: t\r\n\r\n', 400, 'malformed method'],
  ['a method without end', 'A'.repeat(100), 501, 'method too long'],
  ['no target', 'GET  HTTP/1.1\r\nHost: t\r\n\r\n', 400, 'malformed request line'],
  ['HTTP/0.9', 'GET /\r\n\r\n', 400, 'malformed request line'],
  ['target', 'GET foo HTTP/1.1\r\nHost: t\r\n\r\n', 400, 'malformed request target'],
  ['byte in a target', 'GET /\xff HTTP/1.1\r\nHost: t\r\n\r\n', 400, 'not allowed in the request target'],
  ['asterisk', 'GET * HTTP/1.1\r\nHost: t\r\n\r\n', 400, 'does not fit the method'],
  ['authority', 'CONNECT / HTTP/1.1\r\nHost: t\r\n\r\n', 400, 'does not fit the method'],
  ['version', 'GET / HTTP/x.1\r\nHost: t\r\n\r\n', 400, 'malformed HTTP version'],
  ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505, 'unsupported HTTP version'],
  ['TLS', '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03', 400, 'malformed method'],
  ['no colon', head('novalue'), 400, 'without a colon'],
  ['empty name', head(': x'), 400, 'empty field name'],
  ['name', head('A(: x'), 400, 'not allowed in a field name'],
  ['space before the colon', head('A : x'), 400, 'whitespace before the colon'],
  ['obs-fold', head('A: x\r\n y'), 400, 'folded'],
  ['obs-fold first', 'GET / HTTP/1.1\r\n Host: t\r\n\r\n', 400, 'folded'],
  ['NUL', head('A: x\0y'), 400, 'control character'],
  ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400, 'no Host header'],
  ['Host twice', head('Host: t'), 400, 'repeated Host'],
  ['Host', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 400, 'malformed Host'],
  ['Content-Length', post('Content-Length: 1x', 'x'), 400, 'malformed Content-Length'],
  ['Content-Lengths', post('Content-Length: 1\r\nContent-Length: 2', 'xx'), 400, 'differing Content-Length'],
  ['too large to count', post('Content-Length: 99999999999999999999'), 400, 'too large to count'],
  ['both lengths', post('Content-Length: 5\r\nTransfer-Encoding: chunked', '0\r\n\r\n'), 400, 'both'],
  ['Transfer-Encoding', post('Transfer-Encoding: chunked, chunked'), 400, 'malformed Transfer-Encoding'],
  ['Transfer-Encoding twice', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked'), 400,
    'repeated Transfer-Encoding'],
  ['Transfer-Encoding in 1.0', 'POST / HTTP/1.0\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n', 400, 'HTTP/1.0'],
  ['another coding', post('Transfer-Encoding: gzip, chunked'), 501, 'unsupported transfer coding'],
  ['a coding without chunked behind it', post('Transfer-Encoding: gzip'), 400, 'malformed Transfer-Encoding header'],
  ['CONNECT with a body', 'CONNECT t:1 HTTP/1.1\r\nHost: t:1\r\nContent-Length: 1\r\n\r\nx', 400,
    'CONNECT with a body'],
  ['Content-Type twice', head('Content-Type: a/b\r\nContent-Type: a/b'), 400, 'repeated Content-Type'],
  ['Authorization twice', head('Authorization: a\r\nAuthorization: b'), 400, 'repeated Authorization'],
  ['expectation', post('Expect: 101\r\nContent-Length: 1'), 417, 'unsupported expectation'],
  ['chunk size', chunked('x\r\n'), 400, 'malformed chunk size'],
  ['chunk size with many digits', chunked('0'.repeat(30)), 400, 'too many digits'],
  ['chunk extension', chunked('1;\0\r\nx\r\n'), 400, 'malformed chunk extension'],
  ['long chunk extension', chunked(`1;${'x'.repeat(2000)}`), 400, 'chunk extension too long'],
  ['chunk end', chunked('1\r\nxy\r\n'), 400, 'not followed by CRLF'],
  ['trailer', chunked('0\r\nContent-Length: 5\r\n\r\n'), 400, 'not allowed in a trailer'],
  ['line in the trailer', chunked(`0\r\nA: ${long}\r\n\r\n`), 431, 'header line limit violation: 201'],
  ['many trailers', chunked(`0\r\n${'A: b\r\n'.repeat(11)}\r\n`), 431, 'header count limit violation: 11'],
  ['request line', `GET /${long} HTTP/1.1\r\nHost: t\r\n\r\n`, 414, 'header line limit violation: 201'],
  ['a request line without end', `GET /${long}`, 414, 'header line limit violation: 201'],
  ['field line', head(`A: ${long}`), 431, 'header line limit violation: 201'],
  ['a field name without end', `GET / HTTP/1.1\r\n${long}`, 431, 'header line limit violation: 201'],
  ['many fields', head('A: b\r\n'.repeat(11).trimEnd()), 431, 'header count limit violation: 11'],
  ['large head', head(`A: ${'x'.repeat(190)}\r\n`.repeat(6).trimEnd()), 431, 'header size limit violation: 1001'],
  ['large body', post('Content-Length: 1001'), 413, 'max_body_size limit violation: 1001'],
  ['large chunk', chunked('3e9\r\n'), 413, 'max_body_size limit violation: 1001'],
  ['chunks that add up', chunked(`1f4\r\n${'x'.repeat(500)}\r\n1f5\r\n`), 413, 'max_body_size limit violation: 1001'],
]

t.test('each is told its status, with Connection: close, and the server ends the connection', async (t) => {
  const { connect, log } = await serve(t, settings, uncalled)
  for (const [what, text, status, reason] of refused) {
    const lines = log.statuses().length
    const client = await connect(text)
    const responses = await client.all()
    t.equal(responses.length, 1, what)
    t.equal(responses[0]?.status, status, what)
    t.match(responses[0]?.body.toString(), reason, what)
    t.ok(saysClose(responses[0]), what)
    t.equal(await client.over, 'end', what)
    t.strictSame(log.statuses().slice(lines), [status], `${what}: one line in the log`)
    client.close()
  }
  t.equal(log.of('error').length + log.of('warn').length, 0)
})

t.test('the client receives it although it keeps sending: no reset over unread input', async (t) => {
  const { connect } = await serve(t, settings, uncalled)
  const more = Buffer.alloc(200_000, request('GET /more'))
  // A few at a time: the server reads on for some seconds, in which a slow machine must have sent all of it.
  const left = [...refused]
  await Promise.all(Array.from({ length: 4 }, async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const [what, text, status] = next
      const client = await connect(text)
      // Six megabytes behind the fault, in pieces; the response is looked at when all is sent.
      client.socket.pause()
      for (let k = 0; k < 30; k++) await client.sendAll(more)
      client.end()
      client.socket.resume()
      const responses = await client.all()
      t.strictSame(responses.map((response) => response.status), [status], what)
      t.equal(await client.over, 'end', what)
      client.close()
    }
  }))
})

t.test('a client that never ends its side: closed all the same, after a while', async (t) => {
  const { connect } = await serve(t, settings, uncalled)
  const client = await connect('nonsense\r\n\r\n')
  await client.responses(1)
  t.equal(await client.over, 'end')
  const closed = new Promise((resolve) => client.socket.once('close', resolve))
  const sending = setInterval(() => client.send('more'), 50)
  await closed
  clearInterval(sending)
  t.pass('its socket was closed')
})

t.test('HEAD: a rejection without content, where the method is known', async (t) => {
  const { connect } = await serve(t, settings, uncalled)
  const client = await connect('HEAD / HTTP/1.1\r\nHost: t\r\nContent-Length: 99999\r\n\r\n')
  const responses = await client.all(['HEAD'])
  t.strictSame(responses.map(({ status }) => status), [413])
})

t.test('curl sees a rejection as what it is', async (t) => {
  const { port } = await serve(t, settings, () => 'fine')
  const url = `http://127.0.0.1:${port}`
  const status = async (...args: string[]): Promise<string> => {
    const { text, code, stderr } = await curl(['-o', '/dev/null', '-w', '%{http_code}', ...args])
    return `${text}${code === 0 ? '' : ` ${stderr}`}`
  }
  t.equal(await status(`${url}/${long}`), '414')
  t.equal(await status('-H', `X-Long: ${long}`, url), '431')
  t.equal(await status('-H', 'Host:', url), '400')
  t.equal(await status('-H', 'Transfer-Encoding: gzip, chunked', url), '501')
  t.equal(await status('-H', 'Expect: x', url), '417')
  t.equal(await status('--data-binary', 'x'.repeat(5000), url), '413')
  t.equal(await status(url), '200')
})
