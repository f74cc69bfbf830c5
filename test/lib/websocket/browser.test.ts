import t, { type Test } from 'tap'
import type { Config, Handler } from '../../../lib/index.js'
import { serve } from '../../support/serving.js'
import { Certificates } from '../../tls/certificates.js'
import { echo } from './chat.js'
import { Browser, findChromium } from '../../support/chromium.js'

const chromium = findChromium()
const skip = chromium === null ? 'Chromium is not installed, so browsers are not tested here' : false

/** What the page does; it posts what it saw. */
const script = `
const url = location.origin.replace('http', 'ws')
const opened = (path, protocols) => new Promise((resolve, reject) => {
  const ws = new WebSocket(url + path, protocols)
  ws.binaryType = 'arraybuffer'
  ws.onopen = () => resolve(ws)
  ws.onclose = ws.onerror = () => reject(new Error('not opened: ' + path))
})
const message = (ws) => new Promise((resolve) => ws.onmessage = ({ data }) => resolve(data))
const closed = (ws) => new Promise((resolve) => ws.onclose = ({ code, reason, wasClean }) => resolve({ code, reason, wasClean }))
const echoed = async (ws, data) => { ws.send(data); return await message(ws) }

async function run() {
  const seen = {}
  const ws = await opened('/echo', ['other', 'chat'])
  seen.protocol = ws.protocol
  seen.extensions = ws.extensions
  seen.text = await echoed(ws, 'größer 😀')
  seen.empty = await echoed(ws, '')
  seen.bytes = Array.from(new Uint8Array(await echoed(ws, new Uint8Array([0, 1, 255]))))
  const long = 'ä long text, '.repeat(50000)
  seen.long = (await echoed(ws, long)) === long
  const random = new Uint8Array(200000).map(() => Math.random() * 256)
  const back = new Uint8Array(await echoed(ws, random))
  seen.random = back.length === random.length && back.every((byte, i) => byte === random[i])
  let many = 0
  const all = new Promise((resolve) => ws.onmessage = ({ data }) => { if (data === 'message ' + many && ++many === 5000) resolve() })
  for (let i = 0; i < 5000; i++) ws.send('message ' + i)
  await all
  seen.many = many
  const end = closed(ws)
  ws.close(4001, 'the page is done')
  seen.closed = await end
  const ticking = await opened('/ticks')
  const last = closed(ticking)
  seen.ticks = [await message(ticking), await message(ticking)]
  seen.server = await last
  seen.refused = await opened('/page').then(() => 'opened', () => 'refused')
  const big = await opened('/echo')
  const tooBig = closed(big)
  big.send(new Uint8Array(5 << 20))
  seen.tooBig = await tooBig
  return seen
}
run().catch((error) => ({ error: String(error) })).then((seen) => fetch('/seen', { method: 'POST', body: JSON.stringify(seen) }))
`

/** Has a browser visit a server; gives what its page saw, and the codes that handlers saw. */
async function visit(t: Test, scheme: string, config: Config, compression: boolean): Promise<{ seen: Record<string, unknown>; codes: unknown[] }> {
  let tell: (text: string) => void = () => {}
  const told = new Promise<string>((resolve) => (tell = resolve))
  const codes: unknown[] = []
  const options = { protocols: ['chat'], max_message_size: 4 << 20, compression }
  const handler: Handler = (_method, query, _args, _headers, body, ctx) => {
    if (query === '/echo') {
      return ctx.upgrade(function* (ws) {
        yield* echo(ws)
        codes.push(ws.closeCode, ws.closeReason)
      }, options)
    }
    if (query === '/ticks') {
      return ctx.upgrade(function* (ws) {
        yield* ws.send('tick')
        yield* ws.send('tock')
        ws.close(4002, 'no more')
      }, options)
    }
    if (query === '/seen') tell(body?.toString() ?? '')
    if (query !== '/') return [null, 204]
    return [`<!doctype html><script>${script}</script>`, 200, { 'Content-Type': 'text/html; charset=utf-8' }]
  }
  const { port } = await serve(t, config, handler)
  const browser = new Browser(chromium ?? '', `${scheme}://localhost:${port}/`)
  t.teardown(() => browser.close())
  const seen = JSON.parse(await told) as Record<string, unknown>
  await browser.close()
  return { seen, codes }
}

const expected = {
  protocol: 'chat',
  text: 'größer 😀',
  empty: '',
  bytes: [0, 1, 255],
  long: true,
  random: true,
  many: 5000,
  closed: { code: 4001, reason: '', wasClean: true },
  ticks: ['tick', 'tock'],
  server: { code: 4002, reason: 'no more', wasClean: true },
  refused: 'refused',
  tooBig: { code: 1009, reason: 'the message is too big' },
}

t.test('a browser', { skip }, async (t) => {
  const { seen, codes } = await visit(t, 'http', {}, true)
  t.match(seen, { ...expected, extensions: 'permessage-deflate; server_no_context_takeover; client_no_context_takeover' })
  t.same(codes.slice(0, 2), [4001, 'the page is done'])
})

t.test('a browser, over TLS and without compression', { skip }, async (t) => {
  const made = new Certificates()
  t.teardown(() => made.remove())
  const identity = made.issue({ names: ['localhost'], kind: 'p256' })
  const { seen } = await visit(t, 'https', { ssl: { default: identity } }, false)
  t.match(seen, { ...expected, extensions: '' })
})
