import type { Rejected, WebSocketMessage } from '../../observe/index.js'
import { ByLabel, Counter, countersBy } from './counts.js'
import { metricText, type Sample } from './exposition.js'

/** How many of something there have been, and how many of them are open. */
class OpenCount {
  total = 0
  open = 0

  readonly add = (): void => {
    this.total++
    this.open++
  }

  /** Of one that was there before the counting began, too. */
  readonly remove = (): void => {
    this.open = Math.max(0, this.open - 1)
  }
}

/** Counts connections, WebSockets and what is rejected. */
export class ConnectionCounts {
  readonly connections = new OpenCount()
  readonly webSockets = new OpenCount()
  readonly #rejections = new ByLabel(() => new ByLabel(() => new Counter()))
  readonly #messages = new ByLabel(() => new Counter())
  #failedHandshakes = 0

  constructor() {
    for (const direction of ['received', 'sent']) this.#messages.of(direction)
  }

  failHandshake(): void {
    this.#failedHandshakes++
  }

  /** The text after a colon, such as the size of what was too large, is different each time. */
  reject({ reason, status }: Rejected): void {
    this.#rejections.of(reason.split(':', 1)[0]).of(String(status ?? 'none')).value++
  }

  message({ direction }: WebSocketMessage): void {
    this.#messages.of(direction).value++
  }

  text(): string {
    const number = (value: number): Sample[] => [['', {}, value]]
    return metricText('leveret_connections', 'gauge', 'Connections that are open.', number(this.connections.open))
      + metricText('leveret_connections_total', 'counter', 'Connections that were accepted.', number(this.connections.total))
      + metricText('leveret_failed_handshakes_total', 'counter', 'TLS handshakes that failed.', number(this.#failedHandshakes))
      + metricText('leveret_rejections_total', 'counter', 'Requests and connections that were rejected.', this.#reasons())
      + metricText('leveret_websockets', 'gauge', 'WebSockets that are open.', number(this.webSockets.open))
      + metricText('leveret_websockets_total', 'counter', 'WebSockets that were opened.', number(this.webSockets.total))
      + metricText('leveret_websocket_messages_total', 'counter', 'Messages on WebSockets.', countersBy('direction', this.#messages))
  }

  * #reasons(): Generator<Sample> {
    for (const [reason, byStatus] of this.#rejections.values) {
      for (const [status, { value }] of byStatus.values) yield ['', { reason, status }, value]
    }
  }
}
