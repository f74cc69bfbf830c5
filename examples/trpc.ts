// An application of tRPC: a query, a mutation, a subscription over server-sent events. Then, in another terminal:
//   curl http://127.0.0.1:8080/trpc/add -H 'Content-Type: application/json' -d '"ship it"'
//   curl http://127.0.0.1:8080/trpc/list
//   curl --no-buffer http://127.0.0.1:8080/trpc/added
import { EventEmitter, on } from 'node:events'
import { initTRPC } from '@trpc/server'
import { fetchRequestHandler } from '@trpc/server/adapters/fetch'
import * as server from 'leveret'
import { fromFetch, type FetchEnv } from 'leveret/fetch'
import { z } from 'zod'

const { router, procedure } = initTRPC.context<FetchEnv>().create()

const notes: string[] = []
export const arrivals = new EventEmitter()

export const notesRouter = router({
  list: procedure.query(() => notes),
  add: procedure.input(z.string().min(1)).mutation(({ input, ctx: { ctx } }) => {
    notes.push(input)
    ctx.logger.info({ note: input, client_ip: ctx.client_ip }, 'a new note')
    arrivals.emit('note', input)
    return notes.length
  }),
  // The signal aborts when the client leaves, which ends the loop.
  added: procedure.subscription(async function* ({ signal }): AsyncGenerator<string> {
    for await (const [note] of on(arrivals, 'note', { signal })) yield String(note)
  }),
})

export const service = server.new({ port: 8080, handle_signals: true, log_level: 'warn' }, fromFetch((req, env) => (
  fetchRequestHandler({ endpoint: '/trpc', req, router: notesRouter, createContext: () => env })
)))
if (process.argv[1] === import.meta.filename) await service.serve()
