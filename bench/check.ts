import net from 'node:net'
import tls from 'node:tls'
import { differenceOf, readResponses, type ParsedResponse } from './responses.js'
import { cipher } from './cipher.js'
import { frame, handshake } from './frames.js'
import type { ClosedScenario, WebSocketScenario } from './scenarios.js'

/** Longest wait for the responses to one scenario's bytes, in milliseconds. */
const patience = 10_000

/** The responses to one scenario's bytes. */
export interface Responses {
  readonly responses: readonly ParsedResponse[]
  /** What TLS agreed on (`TLSv1.3 TLS_AES_256_GCM_SHA384`), empty without. */
  readonly tls: string
}

/** Sends a scenario's bytes once, each on a connection of its own, and reads all the responses. */
export async function ask(scenario: ClosedScenario, port: number): Promise<Responses> {
  if (scenario.kind === 'websocket') return askWebSocket(scenario, port)
  const responses: ParsedResponse[] = []
  let agreed = ''
  for (const request of new Set(scenario.requests())) {
    const one = await exchange(request, scenario.depth, scenario.secure, port)
    responses.push(...one.responses)
    agreed = one.tls
  }
  return { responses, tls: agreed }
}

function exchange(request: string, depth: number, secure: boolean, port: number): Promise<Responses> {
  return new Promise((resolve, reject) => {
    // What is compared is the response: any certificate will do.
    const secured = secure ? tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ciphers: cipher }) : null
    const socket = secured ?? net.connect(port, '127.0.0.1')
    let agreed = ''
    let received = ''
    const fail = (error: Error): void => {
      socket.destroy()
      reject(error)
    }
    const look = (ended: boolean): boolean => {
      const responses = readResponses(received, ended)
      if (responses.length < depth) return false
      resolve({ responses, tls: agreed })
      socket.destroy()
      return true
    }
    socket.setEncoding('latin1')
    socket.setTimeout(patience, () => fail(new Error(`no response within ${patience / 1000} s; so far: ${beginning(received)}`)))
    socket.on('error', fail)
    socket.on('end', () => {
      if (!look(true)) fail(new Error(`the connection was closed; so far: ${beginning(received)}`))
    })
    socket.on('secureConnect', () => (agreed = `${secured?.getProtocol()} ${secured?.getCipher().standardName}`))
    socket.on('data', (data: string) => {
      received += data
      try {
        look(false)
      } catch (error) {
        fail(error instanceof Error ? error : new Error(String(error)))
      }
    })
    socket.write(request, 'latin1')
  })
}

/** The response to a handshake, and to one message after it: as if that were the response's content. */
function askWebSocket({ payload, asText }: WebSocketScenario, port: number): Promise<Responses> {
  const [sent, expected] = [frame(payload(), asText, true), frame(payload(), asText, false)]
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1')
    let received = ''
    const fail = (error: Error): void => {
      socket.destroy()
      reject(error)
    }
    socket.setEncoding('latin1')
    socket.setTimeout(patience, () => fail(new Error(`no message came back; so far: ${beginning(received)}`)))
    socket.on('error', fail)
    socket.on('end', () => fail(new Error(`the connection was closed; so far: ${beginning(received)}`)))
    socket.on('data', (data: string) => {
      const asked = received.includes('\r\n\r\n')
      received += data
      const empty = received.indexOf('\r\n\r\n')
      if (empty < 0) return
      if (!asked) socket.write(sent)
      const content = received.slice(empty + 4)
      if (content.length < expected.length) return
      socket.destroy()
      resolve({ responses: [{ lines: received.slice(0, empty).split('\r\n'), content, size: content.length }], tls: '' })
    })
    socket.write(handshake, 'latin1')
  })
}

/** How two servers' responses differ, or null if they say the same. */
export function difference(one: Responses, other: Responses, freeFraming = false): string | null {
  if (one.tls !== other.tls) return `${one.tls} against ${other.tls}`
  if (one.responses.length !== other.responses.length) return `${one.responses.length} responses against ${other.responses.length}`
  for (const [index, response] of one.responses.entries()) {
    const found = differenceOf(response, other.responses[index], freeFraming)
    if (found !== null) return `response ${index + 1}: ${found}`
  }
  return null
}

function beginning(text: string): string {
  return text.length > 300 ? `${text.slice(0, 300)}... (${text.length} bytes)` : text
}
