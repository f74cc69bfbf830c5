// Only types are taken from crossws, so that Leveret does not depend on it.
import type { AdapterOptions, SyncDriver, SyncErrorContext } from 'crossws'
import { randomUUID } from 'node:crypto'

/** What may be published to. */
interface Subscriber {
  readonly namespace: string
  readonly topics: ReadonlySet<string>
  send(data: unknown): unknown
}

/** The peers of all namespaces, and what is published to them: here, and by the `sync` of crossws in other processes. */
export class Publisher<P extends Subscriber> {
  readonly peers = new Map<string, Set<P>>()
  readonly sync: SyncDriver | undefined
  readonly #onError: NonNullable<AdapterOptions['onError']>

  constructor({ sync, onError }: AdapterOptions) {
    this.#onError = onError ?? ((error, { stage }) => console.error(`crossws: sync ${stage} failed:`, error))
    this.sync = sync?.({ id: randomUUID() })
    this.#settle('subscribe', () => this.sync?.subscribe(({ topic, data, namespace }) => {
      this.#settle('delivery', () => this.#send(topic, data, namespace === '' ? undefined : namespace))
    }))
  }

  add(peer: P): void {
    const { namespace } = peer
    const peers = this.peers.get(namespace)
    if (peers === undefined) this.peers.set(namespace, new Set([peer]))
    else peers.add(peer)
  }

  /** A namespace without peers is not kept: its name may be a path that a client has made up. */
  remove(peer: P): void {
    const { namespace } = peer
    const peers = this.peers.get(namespace)
    peers?.delete(peer)
    if (peers?.size === 0) this.peers.delete(namespace)
  }

  /** @param namespace undefined: all of them; @param sender gets nothing */
  publish(topic: string, data: unknown, namespace: string | undefined, sender?: P): void {
    const payload = payloadOf(data)
    this.#send(topic, payload, namespace, sender)
    this.#settle('publish', () => this.sync?.publish({ topic, data: payload, namespace: namespace ?? '' }))
  }

  #send(topic: string, data: string | Uint8Array, namespace: string | undefined, sender?: P): void {
    const all = namespace === undefined ? this.peers.values() : [this.peers.get(namespace) ?? []]
    for (const peers of all) for (const peer of peers) if (peer !== sender && peer.topics.has(topic)) peer.send(data)
  }

  #settle(stage: SyncErrorContext['stage'], work: () => unknown): void {
    try {
      Promise.resolve(work()).catch((error: unknown) => this.#onError(error, { stage }))
    } catch (error) {
      this.#onError(error, { stage })
    }
  }
}

/** What crossws sends for a value. */
export function payloadOf(data: unknown): string | Uint8Array {
  if (typeof data === 'string' || data instanceof Uint8Array) return data
  if (data === undefined || data === null) return ''
  if (data instanceof ArrayBuffer) return new Uint8Array(data)
  return typeof data === 'object' ? JSON.stringify(data) : String(data)
}
