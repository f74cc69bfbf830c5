import type { Context, Handler, HandlerResult, RequestHeaders } from 'leveret'
import * as lev from 'leveret/lev'
import { notFoundPage, requestPage, type SeenRequest } from './page.js'

const text = { 'Content-Type': 'text/plain; charset=utf-8', 'X-Content-Type-Options': 'nosniff' }

/** A handler is a plain function here; where it has to wait, it returns a coroutine, and the server runs that. */
export const handle: Handler = (method, query, args, headers, body, ctx) => {
  switch (query) {
    case '/': return requestPage(seen(method, query, args, headers, body, ctx))
    case '/json': return json(seen(method, query, args, headers, body, ctx))
    case '/echo': return echo(method, body)
    case '/slow': return slow(args, ctx)
    case '/text': return [longText, 200, text]
    case '/broken': throw new Error('this handler fails on purpose')
    default: return notFoundPage(query)
  }
}

/** The request as the handler sees it. */
function seen(
  method: string, query: string, args: string, headers: RequestHeaders, body: Buffer | null, ctx: Context,
): SeenRequest {
  return {
    method,
    query,
    args,
    headers: { ...headers },
    body: body === null ? null : body.length,
    client_ip: ctx.client_ip,
    count: ctx.count,
    server_name: ctx.server_name,
    tls: ctx.tls === null ? null : { protocol: ctx.tls.protocol, cipher: ctx.tls.cipher, identity: ctx.tls.identity },
  }
}

function json(value: unknown): HandlerResult {
  return [`${JSON.stringify(value, null, 2)}\n`, 200, { 'Content-Type': 'application/json' }]
}

/** Sends back what came, byte by byte. */
function echo(method: string, body: Buffer | null): HandlerResult {
  if (method !== 'POST') return ['POST something: curl -d hello .../echo\n', 405, { ...text, Allow: 'POST' }]
  return [body ?? '', 200, text]
}

/** Takes some seconds. When the client leaves before, the coroutine ends where it waits, and `finally` still runs. */
function* slow(args: string, ctx: Context): lev.Op<HandlerResult> {
  const asked = Number(new URLSearchParams(args).get('seconds') ?? 5)
  const seconds = asked > 0 && asked <= 60 ? asked : 5
  const began = lev.now()
  let finished = false
  console.log(`  /slow: at work for ${seconds} s`)
  try {
    yield* lev.sleep(seconds)
    finished = true
    return [`done after ${seconds} s\n`, 200, text]
  } finally {
    const why = ctx.signal.aborted ? 'the client left' : 'the server stops'
    if (!finished) console.log(`  /slow: cancelled after ${(lev.now() - began).toFixed(1)} s: ${why}`)
  }
}

const longText = Array.from({ length: 2000 }, (_, n) => `${n + 1}. The leveret sat still in the long grass.\n`).join('')
