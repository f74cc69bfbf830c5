import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads'
import type { Address, ListenOptions } from '../driver.js'
import { holdPermissions } from './socket-file.js'

/** A socket that listens and never accepts. */
export interface HeldSocket {
  /** The bound address; if port 0 was requested, with the port that was chosen. */
  readonly address: Address
  /** Its file descriptor in this process, for a process to be started to inherit. */
  readonly fd: number
  /** Closes it in this process, and removes the file of a Unix socket. Those that have inherited the socket keep it. */
  close(): void
}

/** What the thread is given. */
export interface HoldThreadData {
  readonly port: MessagePort
  /** Not 0: there are requests. */
  readonly bell: Int32Array
  /** Counts the requests that were done. */
  readonly done: Int32Array
}

/** `where` is to be bound as number `id`; null: that number is to be closed. */
export interface HoldRequest {
  readonly id: number
  readonly where: ListenOptions | null
}

/** What became of it. */
export interface HoldReply {
  readonly id: number
  readonly socket: { readonly address: Address; readonly fd: number } | null
  readonly error: { readonly message: string; readonly code?: string | undefined; readonly errno?: number | undefined } | null
}

/** The longest time that the program is blocked for a thread to start and bind, in milliseconds. */
const longestBlock = 10_000

/**
 * Binds sockets for other processes to inherit. A server of node:net accepts as soon as its event loop runs, so the sockets belong to
 * a thread whose loop never does.
 */
export class SocketHolder {
  readonly #bell = new Int32Array(new SharedArrayBuffer(4))
  readonly #done = new Int32Array(new SharedArrayBuffer(4))
  readonly #thread: Worker
  readonly #port: MessagePort
  readonly #waiting = new Map<number, { readonly resolve: (socket: HeldSocket) => void; readonly reject: (error: Error) => void }>()
  #count = 0
  /** Requests so far. */
  #asked = 0

  constructor() {
    const { port1, port2 } = new MessageChannel()
    const workerData: HoldThreadData = { port: port2, bell: this.#bell, done: this.#done }
    // Its options are not those of the program: the thread runs none of its code.
    this.#thread = new Worker(new URL('./hold-thread.js', import.meta.url), { workerData, transferList: [port2], execArgv: [], env: {} })
    this.#thread.unref()
    this.#thread.on('error', (error) => this.#waiting.forEach(({ reject }) => reject(error)))
    this.#port = port1.on('message', (reply: HoldReply) => this.#settle(reply))
    port1.unref()
  }

  /** @throws the system's error */
  async hold(where: ListenOptions): Promise<HeldSocket> {
    const isName = where.path === undefined && where.fd === undefined && isIP(where.ip) === 0
    const resolved = isName ? { ...where, ip: (await lookup(where.ip)).address } : where
    const permissions = holdPermissions(where)
    const bound = this.#bind(resolved)
    if (permissions !== null) {
      // The umask is that of the process, and the thread cannot change it.
      this.#waitUntilDone()
      permissions.release()
    }
    const socket = await bound
    try {
      permissions?.set()
      return socket
    } catch (error) {
      socket.close()
      throw error
    }
  }

  #bind(where: ListenOptions): Promise<HeldSocket> {
    const id = this.#count++
    this.#port.ref()
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#ask({ id, where })
    })
  }

  /** Blocks until all requests were done. */
  #waitUntilDone(): void {
    const end = Date.now() + longestBlock
    for (let done = Atomics.load(this.#done, 0); done < this.#asked && Date.now() < end; done = Atomics.load(this.#done, 0)) {
      Atomics.wait(this.#done, 0, done, end - Date.now())
    }
  }

  /** Closes all sockets in this process, and releases everything. */
  end(): void {
    void this.#thread.terminate()
  }

  #ask(request: HoldRequest): void {
    this.#asked++
    this.#port.postMessage(request)
    Atomics.store(this.#bell, 0, 1)
    Atomics.notify(this.#bell, 0)
  }

  #settle({ id, socket, error }: HoldReply): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (this.#waiting.size === 0) this.#port.unref()
    if (socket !== null) waiting?.resolve({ ...socket, close: () => this.#ask({ id, where: null }) })
    else waiting?.reject(Object.assign(new Error(error?.message), error))
  }
}
