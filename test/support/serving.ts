import type { Test } from 'tap'
import * as server from '../../lib/index.js'
import { keptLog, type KeptLog } from './kept-log.js'
import { RawClient } from './raw-client.js'
import type { WireResponse } from './responses.js'

/** A server that runs on a real port until its test ends. */
export interface Served {
  readonly server: server.Server
  readonly port: number
  readonly log: KeptLog
  /** Ends when the server has stopped. */
  readonly done: Promise<void>
  /** Opens a connection, closed with the test. */
  connect(first?: string | Buffer): Promise<RawClient>
  /** Sends `request` on a connection of its own, and gives its first final response. */
  ask(request: string | Buffer, method?: string): Promise<WireResponse>
}

/** Serves `handle` on a port of the system's choice, with a log that is kept; stops when the test is over. */
export async function serve(t: Test, config: server.Config, handle: server.Handler): Promise<Served> {
  const log = keptLog()
  const served = server.new({ port: 0, logger: log, ...config }, handle)
  const done = served.serve()
  const { port } = await served.listening
  const clients: RawClient[] = []
  t.teardown(async () => {
    for (const client of clients) client.close()
    await served.stop({ drain: 1 })
    await done
  })
  const connect = async (first?: string | Buffer): Promise<RawClient> => {
    const client = await RawClient.connect(port, first)
    clients.push(client)
    return client
  }
  const ask = async (request: string | Buffer, method = methodOf(request)): Promise<WireResponse> => {
    const client = await connect(request)
    const [response] = await client.responses(1, [method])
    client.close()
    return response
  }
  return { server: served, port, log, done, connect, ask }
}

function methodOf(request: string | Buffer): string {
  return request.toString('latin1').trimStart().split(' ', 1)[0]
}

/** A request's head and content; HTTP/1.1 and `Host: test` unless `head` says otherwise. */
export function request(line: string, headers: Readonly<Record<string, string>> = {}, body = ''): string {
  const [method, target = '/', version = 'HTTP/1.1'] = line.split(' ')
  const lines = Object.entries({ Host: 'test', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
  if (body !== '' && !('Transfer-Encoding' in headers)) lines.push(
    `Content-Length: ${Buffer.byteLength(body, 'latin1')}\r\n`,
  )
  return `${method} ${target} ${version}\r\n${lines.join('')}\r\n${body}`
}

/** A promise that a test settles itself: for a handler that waits. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open: () => open() }
}

/** Waits until `look` is true, asking at every turn of the event loop. @throws after about ten seconds */
export async function eventually(look: () => boolean, what: string): Promise<void> {
  for (let turn = 0; turn < 10_000; turn++) {
    if (look()) return
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  throw new Error(`did not happen: ${what}`)
}
