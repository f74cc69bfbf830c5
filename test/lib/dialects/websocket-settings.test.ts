import t, { type Test } from 'tap'
import * as lune from '../../../lib/dialects/lune/index.js'
import * as lute from '../../../lib/dialects/lute/index.js'
import * as nodemcu from '../../../lib/dialects/nodemcu/index.js'
import * as zune from '../../../lib/dialects/zune/index.js'
import type { Config, WebSocketOptions } from '../../../lib/index.js'
import { keptLog } from '../../support/kept-log.js'

type Settings = Config & { readonly websocket?: WebSocketOptions | null }

const MiB = 1024 * 1024

/** Servers that send back how long each message is; each gives its port. */
const servers = {
  async lune(t: Test, settings: Settings): Promise<number> {
    const handle = await lune.serve(0, {
      async handleWebSocket(socket) {
        for (let message = await socket.next(); message !== null; message = await socket.next()) await socket.send(String(message.length))
      },
    }, settings)
    t.teardown(() => void handle.stop())
    return handle.port
  },
  async lute(t: Test, settings: Settings): Promise<number> {
    const server = await lute.serve({ port: 0, websocket: { message: (ws, message) => void ws.send(String(message.length)) } }, settings)
    t.teardown(() => server.close())
    return server.port
  },
  async zune(t: Test, settings: Settings): Promise<number> {
    const [ok, server] = await zune.serve({
      port: 0, request: () => 'no WebSocket', webhook: { message: (ws, message) => void ws.send(String(message.length)) },
    }, settings)
    if (!ok) throw new Error(server)
    t.teardown(() => void server.close())
    return server.port
  },
}

/** What comes back of a message of `size` bytes: its size, or the code that the server closes with. */
async function echoed(port: number, size: number): Promise<string | number | null> {
  const socket = await lune.socket(`ws://127.0.0.1:${port}`, { compression: false })
  await socket.send(Buffer.alloc(size)).catch(() => {})
  const response = await socket.next()
  socket.close()
  return response === null ? socket.closeCode : response.toString()
}

for (const [name, serve] of Object.entries(servers)) {
  t.test(`${name}: max_message_size`, async (t) => {
    const byDefault = name === 'lute' ? 16 * MiB : MiB
    const port = await serve(t, { logger: keptLog() })
    t.equal(await echoed(port, byDefault), String(byDefault))
    t.equal(await echoed(port, byDefault + 1), 1009)
    t.equal(await echoed(await serve(t, { logger: keptLog(), websocket: { max_message_size: null } }), byDefault), String(byDefault))
    const own = await serve(t, { logger: keptLog(), websocket: { max_message_size: 100 } })
    t.equal(await echoed(own, 100), '100')
    t.equal(await echoed(own, 101), 1009)
    t.equal(await echoed(await serve(t, { logger: keptLog(), websocket: null }), 1), '1')
  })

  t.test(`${name}: the others`, async (t) => {
    const websocket: WebSocketOptions = { origins: ['https://here.test'], protocols: ['chat'] }
    const port = await serve(t, { logger: keptLog(), websocket })
    const url = `ws://127.0.0.1:${port}`
    await t.rejects(lune.socket(url, { headers: { Origin: 'https://there.test' } }), { code: 'LEVERET_UPGRADE', status: 403 } as never)
    const socket = await lune.socket(url, { headers: { Origin: 'https://here.test' }, protocols: ['chat'] })
    socket.close()
  })

  t.test(`${name}: any origin, as in the original, unless settings say otherwise`, async (t) => {
    const headers = { Origin: 'https://there.test' }
    for (const websocket of [undefined, { origins: null }]) {
      const socket = await lune.socket(`ws://127.0.0.1:${await serve(t, { logger: keptLog(), websocket })}`, { headers })
      socket.close()
    }
    const closed = await serve(t, { logger: keptLog(), websocket: { origins: 'same' } })
    await t.rejects(lune.socket(`ws://127.0.0.1:${closed}`, { headers }), { code: 'LEVERET_UPGRADE', status: 403 } as never)
  })
}

t.test('what cannot be is named', async (t) => {
  const wrong: [websocket: unknown, key: string, message: RegExp][] = [
    [5, 'websocket', /^websocket must be an object of WebSocket options, got 5$/],
    [[], 'websocket', /^websocket must be an object/],
    [{ max_message_size: '5' }, 'websocket.max_message_size', /^websocket\.max_message_size must be an integer .*did you mean the number 5\?/],
    [{ maxMessageSize: 5 }, 'websocket.maxMessageSize', /^unknown setting websocket\.maxMessageSize; did you mean websocket\.max_message_size\?$/],
    [{ compression: { level: 0 } }, 'websocket.compression.level', /^websocket\.compression\.level must be/],
    [{ compression: { levle: 1 } }, 'websocket.compression.levle', /did you mean websocket\.compression\.level\?$/],
    [{ protocols: ['a b'] }, 'websocket.protocols[0]', /^websocket\.protocols\[0\] must be/],
  ]
  for (const [websocket, key, message] of wrong) {
    const settings = { websocket } as Settings
    const error = { code: 'LEVERET_CONFIG', key, message }
    t.throws(() => lune.serve(0, () => '', settings), error)
    t.throws(() => lute.serve({ port: 0 }, settings), error)
    t.match(await zune.serve({ port: 0, request: () => '' }, settings), [false, message])
  }
  t.throws(() => nodemcu.createServer(0, () => {}, { websocket: {} } as Config), { code: 'LEVERET_CONFIG', key: 'websocket' }, 'it has none')
  t.throws(() => lune.serve(0, () => '', { max_message_size: 5 } as Config), { code: 'LEVERET_CONFIG', key: 'max_message_size' })
})
