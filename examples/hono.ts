// An application of Hono: middleware, validation, server-sent events, a WebSocket. Then, in another terminal:
//   curl http://127.0.0.1:8080/notes
//   curl -u ann:hare -d title=ship -d 'text=this week' http://127.0.0.1:8080/notes
//   curl -u ann:hare -d text=untitled http://127.0.0.1:8080/notes
//   curl -d title=ship http://127.0.0.1:8080/notes
//   curl --no-buffer 'http://127.0.0.1:8080/countdown?from=3'
import { Hono } from 'hono'
import { basicAuth } from 'hono/basic-auth'
import { streamSSE } from 'hono/streaming'
import { validator } from 'hono/validator'
import * as server from 'leveret'
import { fromFetch, type FetchEnv } from 'leveret/fetch'
import { getConnInfo, upgradeWebSocket } from 'leveret/hono'

interface Note {
  readonly title: string
  readonly text: string
}

const notes: Note[] = []

const app = new Hono<{ Bindings: FetchEnv }>()

app.get('/notes', (c) => c.json(notes))

app.post('/notes', basicAuth({ username: 'ann', password: 'hare' }), validator('form', ({ title, text = '' }, c) => {
  if (typeof title === 'string' && title !== '' && typeof text === 'string') return { title, text }
  return c.json({ error: 'a note needs a title' }, 422)
}), (c) => {
  const note = c.req.valid('form')
  notes.push(note)
  c.env.ctx.logger.info({ title: note.title }, 'a new note')
  return c.json(note, 201)
})

app.get('/countdown', (c) => streamSSE(c, async (stream) => {
  for (let left = Number(c.req.query('from') ?? 10); left > 0 && !stream.aborted; left--) {
    await stream.writeSSE({ data: String(left) })
    await stream.sleep(100)
  }
}))

app.get('/chat', upgradeWebSocket((c) => ({
  onOpen: (_event, ws) => ws.send(`welcome, ${getConnInfo(c).remote.address}`),
  onMessage: (event, ws) => ws.send(`you said ${event.data}`),
})))

export const service = server.new({ port: 8080, handle_signals: true, log_level: 'warn' }, fromFetch(app.fetch))
if (process.argv[1] === import.meta.filename) await service.serve()
