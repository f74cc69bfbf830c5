import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { WebSocket } from 'undici'
import { Browser, findChromium } from '../../support/chromium.js'

const entry = JSON.stringify(fileURLToPath(new URL('../../../lib/index.js', import.meta.url)))
const lev = JSON.stringify(fileURLToPath(new URL('../../../lev/index.js', import.meta.url)))

/** Reports each event that its EventSource receives. */
const page = '<!doctype html><script>new EventSource("/events").onmessage = ({ data }) => fetch("/seen", { method: "POST", body: data })</script>'

/** A server that keeps its clients for an hour: with a stream, a WebSocket, a handler that waits, and one that cleans up. */
function program(version: string, port: number): string {
  return `
    import * as server from ${entry}
    import * as lev from ${lev}
    // Libraries listen too, and leave it to others to end the process.
    process.on('SIGTERM', () => {})
    const config = { port: ${port}, handle_signals: true, pre_drain: 3600, drain: 3600, keepalive_idle_timeout: 3600, log_level: 'error' }
    const service = server.new(config, (method, path, args, headers, body, ctx) => {
      if (path === '/events') return server.eventStream(function* (events) {
        yield* events.send('${version}')
        yield* lev.sleep(3600)
      }, { retry: 0.01 })
      if (path === '/socket') return ctx.upgrade(function* (ws) {
        yield* ws.next()
      })
      if (path === '/promise') return new Promise((resolve) => setTimeout(() => resolve('late'), 3_600_000))
      if (path === '/cleanup') return (function* () {
        try {
          console.log('at work')
          yield* lev.sleep(3600)
        } finally {
          console.log('cleaned up')
        }
      })()
      if (path === '/page') return [${JSON.stringify(page)}, 200, { 'Content-Type': 'text/html' }]
      if (path === '/seen') console.log('seen', String(body))
      return '${version}'
    })
    const done = service.serve()
    console.log('${version}', (await service.listening).port)
    await done
    console.log('stopped')
  `
}

/** Runs a program; `line` waits for a line of its output that matches. */
function start(t: Test, args: string[], env = process.env): { child: ChildProcess; lines: string[]; line(pattern: RegExp): Promise<string> } {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true, env })
  // The program that is watched ends too: it is in the group.
  t.teardown(() => {
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL')
    } catch {
      // It has ended.
    }
  })
  const lines: string[] = []
  const waiting = new Set<() => void>()
  createInterface({ input: child.stdout ?? process.stdin }).on('line', (line) => {
    lines.push(line)
    for (const check of waiting) check()
  })
  const line = (pattern: RegExp): Promise<string> => new Promise((resolve) => {
    const check = (): void => {
      const found = lines.find((one) => pattern.test(one))
      if (found === undefined) return
      waiting.delete(check)
      resolve(found)
    }
    waiting.add(check)
    check()
  })
  return { child, lines, line }
}

/** Saves a program that is watched, and waits until it is restarted. */
async function saved(file: string, text: string, line: (pattern: RegExp) => Promise<string>): Promise<void> {
  // The watcher may begin to watch the file only after the program has begun to serve.
  const saving = setInterval(() => writeFileSync(file, text), 500)
  writeFileSync(file, text)
  await line(/^Restarting/)
  clearInterval(saving)
}

t.test('node --watch restarts at once, whatever the clients do', { skip: process.platform === 'win32' }, async (t) => {
  const file = `${t.testdir({ 'program.mjs': program('first', 0) })}/program.mjs`
  const { lines, line } = start(t, ['--watch', file])
  const port = Number((await line(/^first \d+$/)).split(' ')[1])
  const url = `http://127.0.0.1:${port}`

  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const text = async (): Promise<string> => {
    const [response] = await once(get(`${url}/`, { agent }), 'response') as [AsyncIterable<Buffer>]
    let all = ''
    for await (const piece of response) all += piece
    return all
  }
  t.equal(await text(), 'first', 'and its connection is kept')

  const stream = await fetch(`${url}/events`)
  const streamed = stream.text().then((all) => all.includes('data: first'))
  const socket = new WebSocket(url.replace('http', 'ws') + '/socket')
  await once(socket, 'open')
  const closed = once(socket, 'close') as Promise<[{ code: number }]>
  const lost = ['/promise', '/cleanup'].map((path) => fetch(url + path).then(() => 'answered', () => 'lost'))
  await line(/^at work$/)

  await saved(file, program('second', port), line)
  await line(/^second \d+$/)
  t.equal(await text(), 'second')
  t.equal(await streamed, true, 'a stream ended, and was not cut')
  t.equal((await closed)[0].code, 1001)
  t.strictSame(await Promise.all(lost), ['lost', 'lost'])
  t.ok(lines.includes('cleaned up'))
  t.ok(lines.indexOf('stopped') < lines.findIndex((one) => one.startsWith('second')), 'what follows serve() ran')
})

const chromium = findChromium()

t.test("a browser's EventSource goes on with the next run", { skip: chromium === null ? 'Chromium is not installed' : false }, async (t) => {
  const file = `${t.testdir({ 'program.mjs': program('first', 0) })}/program.mjs`
  const { line } = start(t, ['--watch', file])
  const port = Number((await line(/^first \d+$/)).split(' ')[1])
  const browser = new Browser(chromium ?? '', `http://localhost:${port}/page`)
  t.teardown(() => browser.close())
  await line(/^seen first$/)
  await saved(file, program('second', port), line)
  await line(/^seen second$/)
})

t.test('a program that a watched one has started stops gracefully', { skip: process.platform === 'win32' }, async (t) => {
  const code = program('first', 0).replace('pre_drain: 3600', 'pre_drain: 0').replace('3_600_000', '500').replace(/return new Promise/, "console.log('at work'); $&")
  const { child, line } = start(t, ['--input-type=module', '-e', code], { ...process.env, WATCH_REPORT_DEPENDENCIES: '1' })
  const port = Number((await line(/^first \d+$/)).split(' ')[1])
  const text = fetch(`http://127.0.0.1:${port}/promise`).then((response) => response.text())
  await line(/^at work$/)
  child.kill('SIGTERM')
  t.equal(await text, 'late')
  t.strictSame(await once(child, 'exit'), [0, null])
})
