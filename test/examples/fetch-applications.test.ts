import { readFileSync } from 'node:fs'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { createTRPCClient, httpLink, httpSubscriptionLink, splitLink } from '@trpc/client'
import * as server from 'leveret'
import * as lev from 'leveret/lev'
import t, { type Test } from 'tap'
import { EventSource } from 'undici'
import { service as hono } from '../../examples/hono.js'
import { service as mcp } from '../../examples/mcp.js'
import { arrivals, service as trpc, type notesRouter } from '../../examples/trpc.js'
import { eventually } from '../support/serving.js'
import { built, curlLines, Program, shell } from './program.js'

async function start(t: Test, service: server.Server): Promise<string> {
  service.configure({ port: 0, handle_signals: false })
  const done = service.serve()
  const { port } = await service.listening
  t.teardown(async () => {
    await service.stop({ drain: 1 })
    await done
  })
  return `127.0.0.1:${port}`
}

t.test('the WebSocket of Hono', async (t) => {
  const host = await start(t, hono)
  await lev.run(function* () {
    const ws = yield* server.websocket(`ws://${host}/chat`)
    t.equal(yield* ws.next(), 'welcome, 127.0.0.1')
    yield* ws.send('hello')
    t.equal(yield* ws.next(), 'you said hello')
  })
})

t.test('tRPC: a query, a mutation, and a subscription that ends when its client leaves', async (t) => {
  const url = `http://${await start(t, trpc)}/trpc`
  const client = createTRPCClient<typeof notesRouter>({
    links: [splitLink({
      condition: ({ type }) => type === 'subscription',
      true: httpSubscriptionLink({ url, EventSource }),
      false: httpLink({ url }),
    })],
  })
  const received: string[] = []
  const subscription = client.added.subscribe(undefined, { onData: (note) => received.push(note) })
  await eventually(() => arrivals.listenerCount('note') > 0, 'the subscription')
  t.equal(await client.add.mutate('ship it'), 1)
  await t.rejects(client.add.mutate(''), { message: /too_small/ })
  t.equal(await client.add.mutate('rest'), 2)
  t.strictSame(await client.list.query(), ['ship it', 'rest'])
  await eventually(() => received.length === 2, 'both notes')
  t.strictSame(received, ['ship it', 'rest'])
  subscription.unsubscribe()
  await eventually(() => arrivals.listenerCount('note') === 0, 'the end of the subscription')
})

t.test('MCP: a tool that reports its progress, and one that is cancelled', async (t) => {
  const url = new URL(`http://${await start(t, mcp)}/mcp`)
  const client = new Client({ name: 'test', version: '1.0.0' })
  await client.connect(new StreamableHTTPClientTransport(url))
  const progress: number[] = []
  const result = await client.callTool({ name: 'count', arguments: { to: 3 } }, { onprogress: (one) => void progress.push(one.progress) })
  t.match(result, { content: [{ type: 'text', text: 'counted to 3' }] })
  t.strictSame(progress, [1, 2, 3])
  const leaving = new AbortController()
  const long = client.callTool({ name: 'count', arguments: { to: 1000 } }, { onprogress: () => leaving.abort(), signal: leaving.signal })
  await t.rejects(long)
  await client.close()
  t.equal((await fetch(url, { method: 'POST', headers: { Origin: 'https://evil.test' } })).status, 403)
  t.equal((await fetch(new URL('/', url))).status, 404)
})

const printed: Record<string, string[]> = {
  hono: [
    '[]', '{"title":"ship","text":"this week"}', '{"error":"a note needs a title"}', 'Unauthorized', 'data: 3\n\ndata: 2\n\ndata: 1\n\n',
  ],
  trpc: ['{"result":{"data":1}}', '{"result":{"data":["ship it"]}}'],
}

for (const name of ['hono', 'trpc', 'mcp']) {
  t.test(`the commands at the top of ${name}`, async (t) => {
    const source = readFileSync(built(`../examples/${name}.ts`), 'utf8')
    t.ok(source.split('\n').length <= 65, 'it is short')
    const program = new Program(built(`examples/${name}.js`), { cwd: t.testdir() })
    t.teardown(() => program.kill())
    const seen: string[] = []
    // The command for a subscription ends with the program only.
    for (const line of curlLines(source).filter((one) => !one.endsWith('/added'))) seen.push((await shell(`${await program.withPorts(line)} --silent`, t.testdirName)).stdout)
    if (name === 'mcp') t.match(seen, [/"name":"count"/])
    else t.strictSame(seen, printed[name])
    t.same(await program.stop(), { code: 0, signal: null })
  })
}
