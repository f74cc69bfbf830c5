import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Handler } from '../../../lib/index.js'
import { curl } from '../../support/curl.js'
import { readResponses, valueOf } from '../../support/responses.js'
import { request, serve } from '../../support/serving.js'

const MiB = 1024 * 1024

/** Size and hash of what came. */
function digest(bytes: Buffer | null): string {
  return bytes === null ? 'none' : `${bytes.length} ${createHash('sha256').update(bytes).digest('hex')}`
}

const hasher: Handler = (_method, _query, _args, _headers, body) => digest(body)

t.test('uploads by curl: with a length, chunked, and with Expect: 100-continue', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'body-'))
  t.teardown(async () => rm(folder, { recursive: true }))
  const expectations: (string | undefined)[] = []
  const { port, log } = await serve(t, { max_body_size: 64 * MiB }, (method, query, args, headers, body, ctx) => {
    expectations.push(headers['expect'])
    return hasher(method, query, args, headers, body, ctx)
  })
  const url = `http://127.0.0.1:${port}/`
  for (const size of [1, 1023, 65_536, 1_000_000, 3 * MiB, 32 * MiB]) {
    const bytes = randomBytes(size)
    const file = join(folder, `${size}`)
    await writeFile(file, bytes)
    const uploads: string[][] = [
      ['-T', file, url],
      ['-T', file, '-H', 'Transfer-Encoding: chunked', url],
      ['--data-binary', `@${file}`, url],
      ['--data-binary', `@${file}`, '-H', 'Expect: 100-continue', url],
      ['-T', file, '-H', 'Expect: 100-continue', '-H', 'Transfer-Encoding: chunked', url],
      ['-T', file, '-H', 'Expect:', url],
      ['--http1.0', '-T', file, url],
    ]
    for (const args of uploads) {
      const { code, text, stderr } = await curl(args)
      t.equal(code, 0, stderr)
      t.equal(text, digest(bytes), `${size} bytes: ${args.slice(0, -1).join(' ').replaceAll(folder, '')}`)
    }
    // From stdin curl does not know the length.
    t.equal((await curl(['-T', '-', url], bytes)).text, digest(bytes))
  }
  t.ok(expectations.filter((value) => value === '100-continue').length > 10)
  t.strictSame(new Set(log.statuses()), new Set([200]))
  t.equal(log.of('error').length, 0)
})

t.test('several requests on one connection of curl', async (t) => {
  const { port } = await serve(t, {}, hasher)
  const url = `http://127.0.0.1:${port}/`
  const { text } = await curl(
    ['-w', ' %{num_connects}\n', '-d', 'one', url, '--next', '-sS', '-w', ' %{num_connects}\n', '-d', 'two', url],
  )
  t.equal(text, `${digest(Buffer.from('one'))} 1\n${digest(Buffer.from('two'))} 0\n`)
})

t.test('100 Continue is said before the content is read, and only to who waits for it', async (t) => {
  const { connect } = await serve(t, { max_body_size: 100 }, hasher)
  const head = (more: string, version = '1.1'): string =>
    `POST / HTTP/${version}\r\nHost: t\r\nExpect: 100-Continue\r\n${more}\r\n`

  const framings = [['Content-Length: 3\r\n', 'abc'], ['Transfer-Encoding: chunked\r\n', '3\r\nabc\r\n0\r\n\r\n']]
  for (const [framing, body] of framings) {
    const patient = await connect(head(framing))
    await patient.until(() => (patient.text === 'HTTP/1.1 100 Continue\r\n\r\n' ? true : undefined), '100 Continue')
    patient.send(body)
    const [response] = await patient.responses(1)
    t.equal(response.body.toString(), digest(Buffer.from('abc')))
  }
  const interims = async (text: string): Promise<number[]> => {
    const client = await connect(text)
    await client.responses(1)
    return readResponses(client.received).responses.map(({ status }) => status)
  }
  t.strictSame(await interims(head('Content-Length: 3\r\n') + 'abc'), [200], 'not when the content is there already')
  t.strictSame(await interims(head('Content-Length: 3\r\n', '1.0') + 'abc'), [200], 'not to HTTP/1.0')
  t.strictSame(await interims(head('Content-Length: 0\r\n')), [200], 'not without content')
  t.strictSame(await interims(head('Content-Length: 101\r\n')), [413], 'not when it would be refused')
  t.strictSame(await interims(request('POST /', { Expect: '200-maybe' }, 'x')), [417])
  t.strictSame(await interims(request('POST /', { Expect: '100-continue, x' }, 'x')), [417])
})

t.test('max_body_size is exact, and told before the content is sent', async (t) => {
  const { connect, ask, log, port } = await serve(t, { max_body_size: 1000 }, hasher)
  const chunks = (size: number): string => `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`
  const chunked = { 'Transfer-Encoding': 'chunked' }
  t.equal((await ask(request('POST /', {}, 'x'.repeat(1000)))).status, 200)
  t.equal((await ask(request('POST /', {}, 'x'.repeat(1001)))).status, 413)
  t.equal((await ask(request('POST /', chunked, chunks(600) + chunks(400) + '0\r\n\r\n'))).status, 200)
  t.equal((await ask(request('POST /', chunked, chunks(600) + '191\r\n'))).status, 413, 'refused at the size line')
  const early = await connect('POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999\r\n\r\n')
  t.strictSame((await early.all()).map(({ status }) => status), [413])
  const { stdout, text } = await curl(
    ['-o', '-', '-w', '%{http_code}', '-T', '-', `http://127.0.0.1:${port}/`], randomBytes(5 * MiB),
  )
  t.ok(text.endsWith('413'), stdout.toString().slice(-40))
  t.equal(log.of('error').length, 0)
})

t.test('the content of a request ends where it says; the next one begins there', async (t) => {
  const { connect } = await serve(t, {}, (method, query, _args, _headers, body) => `${method} ${query} ${String(body)}`)
  const client = await connect(
    request('POST /1', {}, 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n') +
    request('POST /2', { 'Transfer-Encoding': 'chunked' }, '2\r\nab\r\n1;x\r\nc\r\n0\r\nX-T: GET /y HTTP/1.1\r\n\r\n') +
    request('POST /3', { 'Content-Length': '2, 2' }, '').replace('\r\n\r\n', '\r\nContent-Length: 2\r\n\r\nde') +
    request('GET /4'),
  )
  const responses = await client.responses(4)
  t.strictSame(responses.map(({ body }) => body.toString()), [
    'POST /1 GET /x HTTP/1.1\r\nHost: a\r\n\r\n', 'POST /2 abc', 'POST /3 de', 'GET /4 null',
  ])
  client.end()
  t.equal((await client.all()).length, 4)
})

t.test('a body may be kept: its bytes do not change when more comes', async (t) => {
  const kept: Buffer[] = []
  const { connect } = await serve(t, { requests_per_connection: 1000 }, (_method, _query, _args, _headers, body) => {
    if (body !== null) kept.push(body)
    return null
  })
  const client = await connect()
  for (let k = 0; k < 200; k++) {
    client.send(request('POST /', k % 2 === 0 ? {} : { 'Transfer-Encoding': 'chunked' }, k % 2 === 0 ? `body ${k}` :
      `5\r\nbody \r\n${String(k).length}\r\n${k}\r\n0\r\n\r\n`))
    if (k % 7 === 0) await client.responses(k + 1)
  }
  await client.responses(200)
  t.strictSame(kept.map(String), Array.from({ length: 200 }, (_, k) => `body ${k}`))
})

t.test('bodies of many connections at once are kept apart, for as long as they are kept', async (t) => {
  const kept = new Map<string, Buffer>()
  const { connect } = await serve(t, {}, (_method, query, _args, _headers, body) => {
    if (body !== null) kept.set(query, body)
    return null
  })
  const body = (n: number, k: number): string => `${n}.${k} `.repeat(1 + ((n * 7 + k * 131) % 3000))
  await Promise.all(Array.from({ length: 10 }, async (_, n) => {
    const client = await connect()
    for (let k = 0; k < 20; k++) {
      client.send(request(`POST /${n}.${k}`, {}, body(n, k)))
      if (k % 3 === 0) await client.responses(k + 1)
    }
    await client.responses(20)
  }))
  t.equal(kept.size, 200)
  for (const [query, bytes] of kept) {
    const [n, k] = query.slice(1).split('.').map(Number)
    if (bytes.toString() !== body(n, k)) t.fail(`the body of ${query} was changed`)
  }
})

t.test('trailers stay apart from the headers', async (t) => {
  const { ask } = await serve(t, {}, (_method, _query, _args, headers) => JSON.stringify(headers))
  const response = await ask(
    request('POST /', { 'Transfer-Encoding': 'chunked' }, '1\r\na\r\n0\r\nX-Checksum: 1\r\n\r\n'),
  )
  t.equal(response.status, 200)
  t.notMatch(response.body.toString(), /checksum/i)
  for (const name of ['Content-Length', 'Host', 'X-Real-IP', 'Authorization', 'Transfer-Encoding']) {
    const refused = await ask(
      request('POST /', { 'Transfer-Encoding': 'chunked' }, `1\r\na\r\n0\r\n${name}: 1\r\n\r\n`),
    )
    t.equal(refused.status, 400, `${name} in a trailer`)
    t.equal(valueOf(refused, 'connection'), 'close')
  }
})
