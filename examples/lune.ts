// A poll as one would write it for Lune: votes by HTTP, and a WebSocket that tells each vote.
//   curl --request POST 'http://127.0.0.1:8080/vote?for=tea&for=coffee'
//   curl http://127.0.0.1:8080/
import type * as lev from 'leveret/lev'
import * as net from 'leveret/dialects/lune'

const votes = new Map<string, number>()
const watchers = new Set<net.WebSocket>()

function standing(): string {
  return [...votes].map(([name, count]) => `${name}: ${count}\n`).join('')
}

function vote(names: string | string[] = []): net.ServeResponse {
  for (const name of [names].flat()) votes.set(name, (votes.get(name) ?? 0) + 1)
  // A slow reader holds nothing up.
  for (const socket of watchers) void socket.send(standing())
  return { status: 201, body: standing() }
}

function handleRequest(request: net.ServeRequest): net.ServeResponse {
  if (request.method === 'POST' && request.path === '/vote') return vote(request.query.for)
  if (request.path === '/') return { body: standing() }
  return { status: 404, body: 'Nothing here.\n' }
}

function* handleWebSocket(socket: net.WebSocket): lev.Op<void> {
  watchers.add(socket)
  try {
    yield* socket.send(standing())
    while ((yield* socket.next()) !== null);
  } finally {
    watchers.delete(socket)
  }
}

const poll = await net.serve(8080, { handleRequest, handleWebSocket }, { handle_signals: true })
console.log(`http://${poll.ip}:${poll.port}/`)
