// A room with a parrot in it, as one would write them for Zune: a server, and a WebSocket client of it.
//   curl --data 'Hello from curl' http://127.0.0.1:8080/say
//   curl http://127.0.0.1:8080/
import * as net from 'leveret/dialects/zune'

const said: string[] = []
const room = new Set<net.WebSocket>()

function say(text: string): void {
  said.push(text)
  for (const ws of room) void ws.send(text)
}

const [ok, server] = await net.serve({
  port: 8080,
  address: '127.0.0.1',
  request(request) {
    if (request.path === '/') return said.map((text) => `${text}\n`).join('')
    if (request.method !== 'POST' || request.path !== '/say') return { statusCode: 404, body: 'Nothing here.\n' }
    say(request.body)
    return { statusCode: 201, body: 'said\n' }
  },
  webhook: {
    upgrade: (request) => request.path === '/',
    open: (ws) => void room.add(ws),
    message: (_ws, message) => say(String(message)),
    close: (ws) => void room.delete(ws),
  },
}, { handle_signals: true })
if (!ok) throw new Error(server)

const [opened, parrot] = await net.websocket(`ws://127.0.0.1:${server.port}/`)
if (!opened) throw new Error(parrot)
parrot.bindMessage((message) => {
  if (!String(message).startsWith('Parrot:')) void parrot.send(`Parrot: ${message}!`)
})
parrot.bindClose(() => console.log('The parrot has left.'))
console.log(`http://127.0.0.1:${server.port}/`)
