import net from 'node:net'
import tls from 'node:tls'
import { GrowingBuffer } from './growing.js'
import { ResponseReader, type WireResponse } from './responses.js'

/** Seconds after which a wait is given up: so generous that it says something only about a server that hangs. */
const patience = 600

/** How a connection ended, as its client saw it. */
export type Ending = 'end' | 'reset'

/** A client that says exactly what it is told to, over a real socket, and keeps every byte that comes back. */
export class RawClient {
  readonly socket: net.Socket
  /** Settles when the server's side is over: by FIN (`end`) or by a reset. */
  readonly over: Promise<Ending>
  readonly #received = new GrowingBuffer()
  readonly #reader = new ResponseReader()
  readonly #watchers = new Set<() => void>()
  #ended = false

  constructor(socket: net.Socket) {
    this.socket = socket
    socket.on('data', (bytes: Buffer) => {
      this.#received.add(bytes)
      this.#tell()
    })
    this.over = new Promise((resolve) => {
      const finish = (how: Ending): void => {
        this.#ended = true
        this.#tell()
        resolve(how)
      }
      socket.on('end', () => finish('end'))
      socket.on('error', () => finish('reset'))
      socket.on('close', () => finish('reset'))
    })
  }

  /** @param to a port of 127.0.0.1, or the path of a Unix socket */
  static async connect(to: number | string, first: string | Buffer = ''): Promise<RawClient> {
    const address = typeof to === 'number' ? { host: '127.0.0.1', port: to } : { path: to }
    const socket = net.connect({ ...address, allowHalfOpen: true, noDelay: true })
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    const client = new RawClient(socket)
    if (first.length > 0) client.send(first)
    return client
  }

  /** Connects by TLS, and trusts any certificate. */
  static async overTls(port: number): Promise<RawClient> {
    const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
    await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
    return new RawClient(socket)
  }

  get ended(): boolean {
    return this.#ended
  }

  get received(): Buffer {
    return this.#received.bytes
  }

  /** What came, as latin1. */
  get text(): string {
    return this.received.toString('latin1')
  }

  /** A string is sent as latin1. */
  send(data: string | Buffer): void {
    this.socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data)
  }

  /** Sends, and waits until the system has taken it all. */
  async sendAll(data: string | Buffer): Promise<void> {
    await new Promise<void>((resolve) => this.socket.write(data, 'latin1', () => resolve()))
  }

  /** Ends the sending: FIN. */
  end(): void {
    this.socket.end()
  }

  close(): void {
    this.socket.destroy()
  }

  reset(): void {
    this.socket.resetAndDestroy()
  }

  /** Waits until `look` gives something else than undefined; it is asked again whenever something has come. */
  async until<T>(look: () => T | undefined, what = 'what a test waits for'): Promise<T> {
    return await new Promise<T>((resolve, reject) => {
      const done = (): void => {
        this.#watchers.delete(watch)
        clearTimeout(timer)
      }
      const fail = (why: string): void => {
        done()
        reject(new Error(`${why}; what came: ${JSON.stringify(this.text.slice(0, 500))}`))
      }
      const watch = (): void => {
        try {
          const found = look()
          if (found === undefined) return this.#ended ? fail(`the connection ended before ${what}`) : undefined
          done()
          resolve(found)
        } catch (error) {
          fail(error instanceof Error ? error.message : String(error))
        }
      }
      const timer = setTimeout(() => fail(`${what} did not come`), patience * 1000)
      this.#watchers.add(watch)
      watch()
    })
  }

  /** The first final responses, at least `count` of them, once they are there. @throws what is wrong with them */
  async responses(count: number, methods: readonly string[] = []): Promise<WireResponse[]> {
    return await this.until(() => {
      const finals = this.#finals(methods)
      return finals.length >= count ? finals : undefined
    }, `response ${count}`)
  }

  /** Every final response, once the server has ended the connection. @throws what is wrong with them */
  async all(methods: readonly string[] = []): Promise<WireResponse[]> {
    await this.until(() => (this.#ended ? true : undefined), 'the end of the connection')
    return this.#finals(methods)
  }

  #finals(methods: readonly string[]): WireResponse[] {
    if (methods.length > 0) this.#reader.methods = methods
    const { responses, fault } = this.#reader.read(this.received, this.#ended)
    if (fault !== null) throw new Error(fault)
    return responses.filter(({ status }) => status >= 200)
  }

  #tell(): void {
    for (const watcher of [...this.#watchers]) watcher()
  }
}
