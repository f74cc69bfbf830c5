import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { frame, frames, handshake, show } from '../lib/websocket/wire.js'
import { RawClient } from '../support/raw-client.js'
import { eventually } from '../support/serving.js'
import { built, Program, shell } from './program.js'

t.test('chat', async (t) => {
  const program = new Program(built('examples/chat.js'), { cwd: t.testdir() })
  t.teardown(() => program.kill())
  const port = await program.port(8080)
  t.match((await shell(`curl -si http://127.0.0.1:${port}/chat`, '.')).stdout, /^HTTP\/1\.1 426 Upgrade Required\r\n/)
  t.match((await shell(`curl -s http://127.0.0.1:${port}/`, '.')).stdout, '<title>Leveret chat</title>')
  const join = async (): Promise<RawClient> => {
    const client = await RawClient.connect(port, handshake({ Origin: 'http://test' }, 'GET /chat HTTP/1.1'))
    t.teardown(() => client.close())
    return client
  }
  const said = (client: RawClient, text: string): Promise<true> => client.until(() => {
    const start = client.received.indexOf('\r\n\r\n') + 4
    return start > 3 && frames(client.received.subarray(start)).frames.map(show).includes(`text ${text}`) ? true : undefined
  }, text)
  const one = await join()
  await said(one, 'Guest 1 is here.')
  const two = await join()
  await said(one, 'Guest 2 is here.')
  one.send(frame(1, '<b>hello</b> ö'))
  await said(two, 'Guest 1: <b>hello</b> ö')
  two.close()
  await said(one, 'Guest 2 has left.')
  t.same(await program.stop(), { code: 0, signal: null })
})

t.test('chat-client', async (t) => {
  const program = new Program(built('examples/chat.js'), { cwd: t.testdir() })
  t.teardown(() => program.kill())
  const url = `ws://127.0.0.1:${await program.port(8080)}/chat`
  const client = spawn(process.execPath, [built('examples/chat-client.js'), url], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => client.kill())
  const ended = once(client, 'exit')
  let heard = ''
  client.stdout.setEncoding('utf8').on('data', (text: string) => (heard += text))
  client.stdin.write('hello ö\n')
  await eventually(() => heard.includes('Guest 1: hello ö\n'), 'what was said')
  client.stdin.end()
  t.strictSame(await ended, [0, null])
  t.equal(heard, 'Guest 1 is here.\nGuest 1: hello ö\nThe connection is closed (1000).\n')
  t.same(await program.stop(), { code: 0, signal: null })
  t.match(await shell(`'${process.execPath}' '${built('examples/chat-client.js')}' '${url}'`, '.'), { code: 1, stderr: /ECONNREFUSED/ })
})
