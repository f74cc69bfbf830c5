import net from 'node:net'
import tls from 'node:tls'

/** What became of the requests of a load. */
export interface LoadCounts {
  /** Responses that came in full, with status 200. */
  done: number
  /** Requests that were sent, or that could not be because no process accepted, and got no full response. */
  lost: number
  /** Connections that the server closed while no request was sent on them; the next request takes a new one. */
  closedIdle: number
  /** The first reasons of what was lost. */
  readonly reasons: string[]
}

/** Sends requests, one after the other on each of several connections, and repeats none. */
export class SteadyLoad {
  readonly counts: LoadCounts = { done: 0, lost: 0, closedIdle: 0, reasons: [] }
  readonly #url: URL
  readonly #clients: Promise<void>[]
  #ends = false

  /**
   * @param keepAlive connections that send requests until the server closes them
   * @param fresh clients that open a connection for each request
   */
  constructor(url: string, keepAlive: number, fresh: number) {
    this.#url = new URL(url)
    this.#clients = [
      ...Array.from({ length: keepAlive }, () => this.#client('keep-alive')),
      ...Array.from({ length: fresh }, () => this.#client('close')),
    ]
  }

  /** Waits until no client has a request under way. */
  async stop(): Promise<LoadCounts> {
    this.#ends = true
    await Promise.all(this.#clients)
    return this.counts
  }

  async #client(connection: 'keep-alive' | 'close'): Promise<void> {
    while (!this.#ends) {
      try {
        await this.#connection(connection)
      } catch (error) {
        this.counts.lost++
        if (this.counts.reasons.length < 10) this.counts.reasons.push(`${connection}: ${String(error)}`)
        // A server that is gone must not keep this process busy.
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
    }
  }

  /** One connection, from its opening to its end. @throws Error if a request is lost */
  #connection(kind: 'keep-alive' | 'close'): Promise<void> {
    const { hostname: host, port, protocol } = this.#url
    const request = `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: ${kind}\r\n\r\n`
    return new Promise((resolve, reject) => {
      let received = ''
      let isAsked = false
      let sent = 0
      const send = (): void => {
        isAsked = true
        sent++
        received = ''
        socket.write(request)
      }
      const options = { host, port: Number(port), rejectUnauthorized: false }
      const socket = protocol === 'https:' ? tls.connect(options, send) : net.connect(options, send)
      const end = (error: Error | null): void => {
        socket.destroy()
        if (error === null) resolve()
        else reject(error)
      }
      socket.on('data', (bytes) => {
        received += bytes.toString('latin1')
        const head = received.indexOf('\r\n\r\n')
        const length = /\r\ncontent-length: (\d+)/i.exec(received)?.[1]
        if (head < 0 || received.length < head + 4 + Number(length)) return
        if (!received.startsWith('HTTP/1.1 200 ')) return end(new Error(received.slice(0, received.indexOf('\r\n'))))
        this.counts.done++
        isAsked = false
        if (kind === 'close' || this.#ends || /\r\nconnection: close/i.test(received)) return end(null)
        setImmediate(() => socket.readableEnded || socket.destroyed || send())
      })
      const closed = (why: string): void => {
        if (isAsked || sent === 0) return end(new Error(`${why} ${received === '' ? 'before' : 'within'} response ${sent}`))
        this.counts.closedIdle++
        end(null)
      }
      socket.on('end', () => closed('end'))
      socket.on('error', (error) => closed(error.message))
    })
  }
}
