import type { Outcome, RequestEnded } from '../../observe/index.js'
import { ByLabel, Counter, countersBy, Durations } from './counts.js'
import { metricText, type Sample } from './exposition.js'

/** Methods that have a value of their own: a client chooses the method. */
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

const outcomes: readonly Outcome[] = ['complete', 'rejected', 'failed', 'client gone', 'cancelled']

/** What is counted of the requests of one route and method. */
class Requests {
  readonly statuses = new ByLabel(() => new Counter())
  readonly durations = new Durations()
}

/** Counts requests. */
export class RequestCounts {
  readonly #routes = new ByLabel(() => new ByLabel(() => new Requests()))
  readonly #outcomes = new ByLabel(() => new Counter())
  #inProgress = 0
  #bytesIn = 0
  #bytesOut = 0

  constructor() {
    // From 0: a rate needs the number before the first one.
    for (const outcome of outcomes) this.#outcomes.of(outcome)
  }

  start(): void {
    this.#inProgress++
  }

  end({ method, route, status, outcome, bytesIn, bytesOut, duration }: RequestEnded): void {
    // A request that began before the counting did ends without having been counted.
    this.#inProgress = Math.max(0, this.#inProgress - 1)
    const requests = this.#routes.of(route ?? '').of(methods.has(method) ? method : 'other')
    requests.statuses.of(String(status ?? 'unknown')).value++
    // Of a head that was rejected nothing is known, not even how long it took.
    if (method !== '') requests.durations.add(duration)
    this.#outcomes.of(outcome).value++
    this.#bytesIn += bytesIn
    this.#bytesOut += bytesOut
  }

  text(): string {
    return metricText('leveret_requests_total', 'counter', 'Requests that are over.', this.#statuses())
      + metricText('leveret_request_outcomes_total', 'counter', 'Requests that are over, by how they ended.', countersBy('outcome', this.#outcomes))
      + metricText('leveret_request_duration_seconds', 'histogram', 'Time from the end of a head until the response was sent.', this.#durations())
      + metricText('leveret_requests_in_progress', 'gauge', 'Requests that have no whole response yet.', [['', {}, this.#inProgress]])
      + metricText('leveret_request_content_bytes_total', 'counter', 'Content of requests that was read.', [['', {}, this.#bytesIn]])
      + metricText('leveret_response_content_bytes_total', 'counter', 'Content of responses that was sent.', [['', {}, this.#bytesOut]])
  }

  * #statuses(): Generator<Sample> {
    for (const [route, byMethod] of this.#routes.values) {
      for (const [method, { statuses }] of byMethod.values) {
        for (const [status, { value }] of statuses.values) yield ['', { route, method, status }, value]
      }
    }
  }

  * #durations(): Generator<Sample> {
    for (const [route, byMethod] of this.#routes.values) {
      for (const [method, { durations }] of byMethod.values) yield* durations.samples({ route, method })
    }
  }
}
