import { statSync } from 'node:fs'
import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { built, curlLines, Program, shell } from './program.js'
import { listen } from '../support/listen.js'

interface Demo {
  readonly program: Program
  /** Addresses without a trailing slash. */
  readonly http: string
  readonly https: string
  /** For curl: trust in the demo's certificates. */
  readonly trust: string
}

function start(t: Test, env: Record<string, string>, cwd = t.testdir()): Program {
  const program = new Program(built('examples/demo/main.js'), { cwd, env, anyPort: false })
  t.teardown(() => program.kill())
  return program
}

async function startDemo(t: Test, cwd?: string): Promise<Demo> {
  const program = start(t, { PORT: '0', TLS_PORT: '0' }, cwd)
  const [, http = ''] = await program.printed(/(http:\/\/127\.0\.0\.1:\d+)\/\n/)
  const [, https = ''] = await program.printed(/(https:\/\/localhost:\d+)\//)
  await program.printed(/Ctrl-C stops.*\n/)
  return { program, http, https, trust: `--cacert ${t.testdirName}/dev-certs/ca.pem` }
}

t.jobs = 2

t.test('the commands of the greeting work as they are printed, and so does Ctrl-C', { buffered: true }, async (t) => {
  const { program } = await startDemo(t)
  const lines = curlLines(program.output)
  t.equal(lines.length, 4)
  const [plain, one, two, slow] = await Promise.all(lines.map((line) => shell(line, '/')))
  t.match(JSON.parse(plain?.stdout ?? ''), { method: 'GET', query: '/json', client_ip: '127.0.0.1', tls: null })
  t.match(JSON.parse(one?.stdout ?? ''), { server_name: 'one.test', tls: { identity: 'one.test' } })
  t.match(JSON.parse(two?.stdout ?? ''), { server_name: 'www.two.test', tls: { identity: '*.two.test' } })
  t.equal(slow?.code, 28, 'the slow one is given up')
  await program.printed(/\/slow: cancelled after \d+\.\d s: the client left/)
  await program.printed(/"query":"\/slow","status":499/)
  t.same(await program.stop(), { code: 0, signal: null })
  t.match(program.output, /Stopping/)
})

t.test('the page shows the request, and escapes it', { buffered: true }, async (t) => {
  const { http, https, trust } = await startDemo(t)
  const { stdout } = await shell(`curl -s -H 'X-Markup: <script>"&' -H "X-Quote: '" "${http}/?a=%3C&b='"`, '.')
  t.match(stdout, '<dd>127.0.0.1</dd>')
  t.match(stdout, '<td>&lt;script&gt;&quot;&amp;</td>')
  t.match(stdout, '<td>&#39;</td>')
  t.match(stdout, 'a=%3C&amp;b=&#39;')
  t.notMatch(stdout, '<script')
  const secure = await shell(`curl -s ${trust} ${https}/`, '.')
  t.match(secure.stdout, /TLSv1\.[23]/)
  t.match(secure.stdout, /<dt>server_name<\/dt><dd>localhost<\/dd>/)
})

t.test('its routes', { buffered: true }, async (t) => {
  const { program, http } = await startDemo(t)
  const curl = async (line: string): Promise<string> => (await shell(`curl -s ${line}`, '.')).stdout
  t.equal(await curl(`-d 'hello & <b>' ${http}/echo`), 'hello & <b>')
  t.match(await curl(`-i ${http}/echo`), /^HTTP\/1\.1 405 [^]*\r\nAllow: POST\r\n/)
  t.match(await curl(`-i --compressed ${http}/text`), /\r\nContent-Encoding: (?:gzip|zstd)\r\n[^]*2000\. The/)
  t.equal(await curl(`'${http}/slow?seconds=0.05'`), 'done after 0.05 s\n')
  t.match(await curl(`-w '%{http_code}' ${http}/nowhere`), /Nothing is served at <code>\/nowhere<[^]*404$/)
  t.match(await curl(`-w '%{http_code}' ${http}/broken`), /^Internal Server Error\n500$/)
  await program.printed(/"level":"error".*Error: this handler fails on purpose\\n {4}at .*"msg":"the handler failed"/)
  // What is in flight at Ctrl-C is finished.
  const slow = curl(`'${http}/slow?seconds=1'`)
  await program.printed(/at work for 1 s/)
  t.same(await program.stop(), { code: 0, signal: null })
  t.equal(await slow, 'done after 1 s\n')
})

t.test('certificates are made once, and only their owner may read keys', { buffered: true }, async (t) => {
  const first = await startDemo(t)
  t.match(first.program.output, 'made just now')
  await first.program.stop()
  t.equal(statSync(`${t.testdirName}/dev-certs/localhost.pem`).mode & 0o777, 0o600)
  const second = await startDemo(t, t.testdirName)
  t.notMatch(second.program.output, 'made just now')
  await second.program.stop()
})

t.test('what cannot be started says why in one line', { buffered: true }, async (t) => {
  const taken = createServer()
  t.teardown(() => taken.close())
  const port = String(await listen(taken))
  for (const env of [{ PORT: port, TLS_PORT: '0' }, { PORT: '0', TLS_PORT: port }]) {
    const program = start(t, env)
    t.same(await program.ended, { code: 1, signal: null })
    t.match(program.output, `leveret demo: failed to bind 127.0.0.1:${port}: address already in use (`)
    const told = program.output.split('\n').filter((line) => !line.includes('"Started, listening on'))
    t.equal(told.length, 2)
  }
  const program = start(t, { PORT: '80 80' })
  t.same(await program.ended, { code: 1, signal: null })
  t.equal(program.output, 'leveret demo: PORT must be a number from 0 to 65535, got "80 80"\n')
})
