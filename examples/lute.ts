// A guest book as one would write it for Lute: a page, a form, and a WebSocket that tells new entries.
//   curl --data-urlencode 'text=Hello from curl' http://127.0.0.1:8080/
//   curl http://127.0.0.1:8080/?last=1
import * as server from 'leveret/dialects/lute'

const entries: string[] = []
const readers = new Set<server.ServerWebSocket>()

const handler: server.Handler = (request, server) => {
  if (server.upgrade(request)) return
  if (request.path !== '/') return { status: 404, body: 'Nothing here.\n' }
  if (request.method === 'POST') {
    const text = new URLSearchParams(request.body).get('text') ?? ''
    if (text === '') return { status: 400, body: 'Say something: text=...\n' }
    entries.push(text)
    for (const ws of readers) ws.send(text)
    return { status: 201, body: `entry ${entries.length}\n` }
  }
  const last = Number(request.query.last ?? 10)
  return entries.slice(-last).map((entry) => `${entry}\n`).join('')
}

const websocket: server.WebSocketHandlers = {
  open: (ws) => void readers.add(ws),
  close: (ws) => void readers.delete(ws),
}

const book = await server.serve({ port: 8080, handler, websocket }, { handle_signals: true })
console.log(`http://${book.hostname}:${book.port}/`)
