import net from 'node:net'
import tls from 'node:tls'
import type { Scenario } from './scenarios.js'

/** Longest wait for the answers to one scenario's bytes, in milliseconds. */
const patience = 10_000

/** The answers to one scenario's bytes. */
export interface Answers {
  /** As they came, one after another: heads and contents, latin1. */
  readonly texts: readonly string[]
  /** What TLS agreed on (`TLSv1.3 TLS_AES_256_GCM_SHA384`), empty without. */
  readonly tls: string
}

/** Sends a scenario's bytes once, on a connection of its own, and reads all the answers. */
export function ask(scenario: Scenario, port: number): Promise<Answers> {
  return new Promise((resolve, reject) => {
    // What is compared is the answer: any certificate will do.
    const secured = scenario.secure ? tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false }) : null
    const socket = secured ?? net.connect(port, '127.0.0.1')
    let received = ''
    const fail = (error: Error): void => {
      socket.destroy()
      reject(error)
    }
    socket.setEncoding('latin1')
    socket.setTimeout(patience, () => fail(new Error(`no answer within ${patience / 1000} s; so far: ${received}`)))
    socket.on('error', fail)
    socket.on('end', () => fail(new Error(`the connection was closed; so far: ${received}`)))
    socket.on('data', (data: string) => {
      received += data
      try {
        const texts = splitAnswers(received)
        if (texts.length < scenario.depth) return
        resolve({ texts, tls: secured === null ? '' : `${secured.getProtocol()} ${secured.getCipher().standardName}` })
        socket.destroy()
      } catch (error) {
        fail(error instanceof Error ? error : new Error(String(error)))
      }
    })
    socket.write(scenario.request, 'latin1')
  })
}

/** The whole answers in `text`, each with Content-Length. @throws Error for one without */
export function splitAnswers(text: string): string[] {
  const answers: string[] = []
  for (let start = 0; ; ) {
    const empty = text.indexOf('\r\n\r\n', start)
    if (empty < 0) return answers
    const length = /^content-length: (\d+)$/im.exec(text.slice(start, empty).replaceAll('\r', ''))
    if (length === null) throw new Error(`an answer without Content-Length: ${text.slice(start, empty)}`)
    const end = empty + 4 + Number(length[1])
    if (end > text.length) return answers
    answers.push(text.slice(start, end))
    start = end
  }
}

/**
 * An answer without what two servers may rightly say differently: the Date's value, and the lines in which a server of
 * HTTP/1.1 repeats that the connection lives on (node:http does: `Connection: keep-alive` and `Keep-Alive`).
 */
export function comparable(answer: string): string {
  const end = answer.indexOf('\r\n\r\n')
  const lines = answer.slice(0, end).split('\r\n')
  const kept = lines
    .filter((line) => !/^(connection: keep-alive|keep-alive: .*)$/i.test(line))
    .map((line) => line.replace(/^date: .* GMT$/i, 'Date: *'))
  // The order of fields with different names means nothing (RFC 9110 section 5.3).
  return [kept[0], ...kept.slice(1).sort()].join('\r\n') + answer.slice(end)
}

/** How two servers' answers differ, or null if they say the same. */
export function difference(one: Answers, other: Answers): string | null {
  if (one.tls !== other.tls) return `${one.tls} against ${other.tls}`
  if (one.texts.length !== other.texts.length) return `${one.texts.length} answers against ${other.texts.length}`
  for (const [index, text] of one.texts.entries()) {
    const [mine, theirs] = [comparable(text), comparable(other.texts[index])]
    if (mine !== theirs) return `answer ${index + 1}:\n${mine}\nagainst:\n${theirs}`
  }
  return null
}
