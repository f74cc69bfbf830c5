import { messageOf } from '../../lev/internal.js'

/** What one process sends the other. */
type Message =
  | { readonly leveret: 'ask'; readonly id: number; readonly name: string; readonly value: unknown }
  | { readonly leveret: 'reply'; readonly id: number; readonly value: unknown; readonly error: string | null }

/** Does what was asked, and returns what the other process is told. */
export type Responder = (value: unknown) => unknown

/**
 * Questions and their replies, between a parent and one of its workers. Values are cloned, as by `structuredClone`. Messages of others
 * on the same channel are left alone.
 */
export class Messages {
  readonly #send: (message: object) => void
  readonly #responders = new Map<string, Responder>()
  readonly #waiting = new Map<number, { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }>()
  #count = 0
  #isClosed = false

  /** @param send passes a message on; it may be lost once the other process has ended, which `close` is to tell */
  constructor(send: (message: object) => void) {
    this.#send = send
  }

  /** Has `respond` called when the other process asks for `name`. */
  on(name: string, respond: Responder): void {
    this.#responders.set(name, respond)
  }

  /** Asks the other process. The promise rejects with what its responder threw, or when the process has ended. */
  ask(name: string, value: unknown = null): Promise<unknown> {
    const id = this.#count++
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(gone())
      this.#waiting.set(id, { resolve, reject })
      this.#send({ leveret: 'ask', id, name, value } satisfies Message)
    })
  }

  /** Asks, and drops the reply. */
  tell(name: string, value: unknown = null): void {
    this.ask(name, value).catch(() => {})
  }

  /** Takes a message that has arrived. */
  receive(message: unknown): void {
    if (!isOurs(message)) return
    if (message.leveret === 'ask') return void this.#respond(message.id, message.name, message.value)
    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (message.error === null) waiting?.resolve(message.value)
    else waiting?.reject(new Error(message.error))
  }

  /** To be called when the other process can no longer be reached. */
  close(): void {
    this.#isClosed = true
    for (const { reject } of this.#waiting.values()) reject(gone())
    this.#waiting.clear()
  }

  async #respond(id: number, name: string, value: unknown): Promise<void> {
    let reply: Message
    try {
      const respond = this.#responders.get(name)
      if (respond === undefined) throw new Error(`nothing responds to "${name}"`)
      reply = { leveret: 'reply', id, value: await respond(value), error: null }
    } catch (error) {
      reply = { leveret: 'reply', id, value: null, error: messageOf(error) }
    }
    if (!this.#isClosed) this.#send(reply)
  }
}

function isOurs(message: unknown): message is Message {
  return typeof message === 'object' && message !== null && 'leveret' in message
}

function gone(): Error {
  return new Error('the other process has ended')
}
