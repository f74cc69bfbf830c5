// A client for the chat of chat.ts, in a terminal: what is typed is said, and Ctrl-D leaves. Start it with the chat's URL:
//   node chat-client.js ws://127.0.0.1:8080/chat
import { createInterface } from 'node:readline'
import * as server from 'leveret'
import * as lev from 'leveret/lev'

function* type(ws: server.WebSocket, lines: AsyncIterator<string>): lev.Op<void> {
  for (let line = yield* lev.wait(lines.next()); line.done !== true; line = yield* lev.wait(lines.next())) {
    yield* ws.send(line.value)
  }
  ws.close()
}

function* visit(url: string): lev.Op<void> {
  const ws = yield* server.websocket(url)
  const input = createInterface({ input: process.stdin })
  try {
    const typing = lev.spawn(() => type(ws, input[Symbol.asyncIterator]()))
    for (let text = yield* ws.next(); text !== null; text = yield* ws.next()) console.log(text.toString())
    typing.cancel()
    console.log(`The connection is closed (${ws.closeCode}).`)
  } finally {
    input.close()
  }
}

try {
  await lev.run(() => visit(process.argv[2] ?? 'ws://127.0.0.1:8080/chat'))
} catch (error) {
  console.error(String(error))
  process.exitCode = 1
}
