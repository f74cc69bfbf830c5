import { randomUUID } from 'node:crypto'
import { sleep, type Portal } from '../../../lev/index.js'
import type { WebSocket } from '../../websocket/websocket.js'
import { payloadOf, type Publisher } from './publisher.js'

/** What a peer is made of. */
export interface PeerParts {
  readonly raw: WebSocket
  readonly request: Request
  readonly remoteAddress: string
  readonly namespace: string
  readonly context: Record<string, unknown>
  readonly publisher: Publisher<CrosswsPeer>
  readonly portal: Portal
}

/** How crossws's `waitForDrain` may wait. */
interface DrainOptions {
  readonly threshold?: number
  readonly pollInterval?: number
  readonly signal?: AbortSignal
}

/** One client, as hooks of crossws see it. */
export class CrosswsPeer {
  readonly request: Request
  readonly remoteAddress: string
  readonly namespace: string
  readonly context: Record<string, unknown>
  readonly topics = new Set<string>()
  readonly #raw: WebSocket
  readonly #publisher: Publisher<CrosswsPeer>
  readonly #portal: Portal
  #id = ''

  constructor({ raw, request, remoteAddress, namespace, context, publisher, portal }: PeerParts) {
    this.#raw = raw
    this.request = request
    this.remoteAddress = remoteAddress
    this.namespace = namespace
    this.context = context
    this.#publisher = publisher
    this.#portal = portal
  }

  get id(): string {
    return (this.#id ||= randomUUID())
  }

  get peers(): Set<CrosswsPeer> {
    return this.#publisher.peers.get(this.namespace) ?? new Set()
  }

  get websocket(): { readonly readyState: number, readonly protocol: string, readonly url: string, readonly bufferedAmount: number } {
    const { isOpen, protocol, unsent } = this.#raw
    return { readyState: isOpen ? 1 : 3, protocol, url: this.request.url.replace(/^http/, 'ws'), bufferedAmount: unsent }
  }

  get bufferedAmount(): number {
    return this.#raw.unsent
  }

  /** Waits until at most `threshold` bytes are unsent, or the WebSocket is closed. */
  waitForDrain({ threshold = 0, pollInterval = 100, signal }: DrainOptions = {}): Promise<void> {
    const raw = this.#raw
    return this.#portal.run(function* () {
      while (raw.isOpen && raw.unsent > threshold) {
        signal?.throwIfAborted()
        yield* sleep(pollInterval / 1000)
      }
    })
  }

  /** Sends text, bytes, or a value as JSON; returns the bytes that were queued, 0 if the WebSocket is closed. */
  send(data: unknown): number {
    return this.#raw.trySend(payloadOf(data))
  }

  subscribe(topic: string): void {
    this.topics.add(topic)
  }

  unsubscribe(topic: string): void {
    this.topics.delete(topic)
  }

  /** Sends to the other peers of its namespace that have subscribed to the topic. */
  publish(topic: string, data: unknown): void {
    this.#publisher.publish(topic, data, this.namespace, this)
  }

  close(code?: number, reason?: string): void {
    this.#raw.close(code, reason)
  }

  terminate(): void {
    this.#raw.terminate()
  }

  /** Sends a ping; its content is Leveret's own. */
  ping(): void {
    this.#raw.ping()
  }

  toString(): string {
    return this.id
  }

  [Symbol.toPrimitive](): string {
    return this.id
  }
}
