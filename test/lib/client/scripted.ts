import type { Op, Stream } from '../../../lev/index.js'
import { listening } from './listening.js'

/** A request as a scripted server has it. */
export interface Asked {
  readonly head: string
  /** As it came: chunks and all. */
  readonly body: string
  /** How many connections there were before this one, and how many requests on it. */
  readonly connection: number
  readonly index: number
}

export interface Scripted {
  readonly port: number
  readonly asked: Asked[]
  /** How many connections are open. */
  readonly open: () => number
}

/** Runs `respond` for each request of each connection while `story` runs. A connection is read until its client ends it, or the server closes it. */
export function* scripted<T>(respond: (stream: Stream, asked: Asked) => Op<void>, story: (server: Scripted) => Op<T>): Op<T> {
  const asked: Asked[] = []
  let connections = 0
  function* one(stream: Stream): Op<void> {
    const connection = connections++
    let unread = ''
    function* until(found: (text: string) => number): Op<string | null> {
      for (;;) {
        const at = found(unread)
        if (at >= 0) {
          const text = unread.slice(0, at)
          unread = unread.slice(at)
          return text
        }
        const bytes = yield* stream.read()
        if (bytes === null) return null
        unread += bytes.toString('latin1')
      }
    }
    for (let index = 0; stream.isOpen; index++) {
      const head = yield* until((text) => text.indexOf('\r\n\r\n') + 4 > 3 ? text.indexOf('\r\n\r\n') + 4 : -1)
      if (head === null) return
      const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0)
      const chunked = /^transfer-encoding: chunked/im.test(head)
      const body = yield* until((text) => {
        if (!chunked) return text.length >= length ? length : -1
        const end = /(?:^|\r\n)0\r\n(?:[^\r]+\r\n)*\r\n/.exec(text)
        return end === null ? -1 : end.index + end[0].length
      })
      if (body === null) return
      const one = { head, body, connection, index }
      asked.push(one)
      yield* respond(stream, one)
    }
  }
  return yield* listening(one, (port, open) => story({ port, asked, open }))
}

/** A response of HTTP/1.1 with a length. */
export function ok(body: string, ...lines: string[]): string {
  return ['HTTP/1.1 200 OK', ...lines, `Content-Length: ${Buffer.byteLength(body)}`, '', body].join('\r\n')
}
