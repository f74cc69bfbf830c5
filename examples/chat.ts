// A chat: open http://127.0.0.1:8080/ in two windows. Or ask what it says to those who come without a WebSocket:
//   curl -i http://127.0.0.1:8080/chat
import * as server from 'leveret'
import type * as lev from 'leveret/lev'

const page = `<!doctype html>
<meta name="viewport" content="width=device-width">
<title>Leveret chat</title>
<style>body { font: 1rem/1.5 sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem } input { width: 100%; font: inherit }</style>
<ul id="said" aria-live="polite"></ul>
<form><input name="text" placeholder="Say something" autocomplete="off" autofocus></form>
<script>
  const show = (text) => said.append(Object.assign(document.createElement('li'), { textContent: text }))
  const ws = new WebSocket(location.href.replace('http', 'ws') + 'chat')
  ws.onmessage = ({ data }) => show(data)
  ws.onclose = ({ code }) => show('The connection is closed (' + code + ').')
  document.forms[0].onsubmit = (event) => {
    event.preventDefault()
    ws.send(event.target.text.value)
    event.target.reset()
  }
</script>
`

const room = new Set<server.WebSocket>()
let guests = 0

function tellAll(text: string): void {
  // A slow reader holds nothing up: what has no room in its queue is left out.
  for (const ws of room) ws.trySend(text)
}

/** One guest, from coming to going. */
function* guest(ws: server.WebSocket): lev.Op<void> {
  const name = `Guest ${++guests}`
  room.add(ws)
  tellAll(`${name} is here.`)
  try {
    for (let text = yield* ws.next(); text !== null; text = yield* ws.next()) tellAll(`${name}: ${text.toString()}`)
  } finally {
    room.delete(ws)
    tellAll(`${name} has left.`)
  }
}

const chat = server.new({ port: 8080, connection_limit: 1000, handle_signals: true }, (_method, query, _args, _headers, _body, ctx) => {
  if (query === '/chat') return ctx.upgrade(guest, { max_message_size: 4096 })
  if (query === '/') return [page, 200, { 'Content-Type': 'text/html; charset=utf-8' }]
  return ['Nothing here.\n', 404]
})

await chat.serve()
