import { observe } from '../../observe/index.js'
import type { Handler } from '../../request/handler.js'
import { ConnectionCounts } from './connection-counts.js'
import { mediaType } from './exposition.js'
import { ProcessNumbers } from './process-numbers.js'
import { RequestCounts } from './request-counts.js'

/** What `collectMetrics` counts. */
export interface Metrics {
  /** Responds with `text()`, for Prometheus to read: of a server on a port of its own, or of a route. */
  readonly handler: Handler
  /** All numbers in the text format of Prometheus, version 0.0.4. */
  text(): string
  /** Stops counting; the numbers stay as they are. */
  stop(): void
}

/**
 * Counts what happens to the servers of this thread, from now on and until `stop`: requests by route, method and status, their
 * durations, connections, rejections, WebSockets; and measures the process. To be called before a server is started.
 *
 * ```ts
 * const metrics = collectMetrics()
 * const watched = server.new({ port: 9090 }, metrics.handler)
 * ```
 */
export function collectMetrics(): Metrics {
  const requests = new RequestCounts()
  const connections = new ConnectionCounts()
  const numbers = new ProcessNumbers()
  const observers = [
    observe('leveret:request:start', () => requests.start()),
    observe('leveret:request:end', (event) => requests.end(event)),
    observe('leveret:connection:open', connections.connections.add),
    observe('leveret:connection:close', connections.connections.remove),
    observe('leveret:handshake:fail', () => connections.failHandshake()),
    observe('leveret:reject', (event) => connections.reject(event)),
    observe('leveret:websocket:open', connections.webSockets.add),
    observe('leveret:websocket:close', connections.webSockets.remove),
    observe('leveret:websocket:message', (event) => connections.message(event)),
  ]
  const text = (): string => requests.text() + connections.text() + numbers.text()
  return {
    handler: () => [text(), 200, { 'Content-Type': mediaType }],
    text,
    stop() {
      for (const unobserve of observers) unobserve()
      numbers.stop()
    },
  }
}
