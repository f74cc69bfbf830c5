import type { LatencyOutcome, LatencyRound } from '../measure/latency.js'
import type { Missing } from '../measure/setting.js'
import type { LatencyScenario } from '../scenarios.js'
import { spread, type Spread } from '../statistics.js'
import { percent } from './summary.js'

/** One peer at one rate. Milliseconds; null where too few responses tell. */
export interface LatencyPoint {
  readonly share: number
  readonly rate: number
  readonly p50: Spread | null
  readonly p99: Spread | null
  readonly p999: Spread | null
  /** CPU time per request in microseconds. */
  readonly cpu: Spread
  readonly notes: readonly string[]
}

export interface LatencyRow {
  readonly peer: string
  readonly title: string
  /** Requests a second that it can do. */
  readonly maximum: number
  readonly points: readonly LatencyPoint[]
  readonly rounds: readonly LatencyRound[]
}

/** What came of an open loop. */
export interface LatencyResult {
  readonly kind: 'latency'
  readonly scenario: { readonly name: string; readonly title: string }
  /** Requests a second that the shares are shares of. */
  readonly base: number
  readonly slowest: string
  readonly rows: readonly LatencyRow[]
  readonly missing: readonly Missing[]
}

export function summarizeLatency({ name, title, shares }: LatencyScenario, outcome: LatencyOutcome): LatencyResult {
  const { base, slowest, measured, missing } = outcome
  const rows = measured.map(({ peer, maximum, rounds }): LatencyRow => ({
    peer: peer.name,
    title: peer.title,
    maximum,
    points: shares.map((share) => point(share, base * share, rounds.filter((round) => round.share === share))),
    rounds,
  }))
  return { kind: 'latency', scenario: { name, title }, base, slowest, rows, missing }
}

function point(share: number, rate: number, rounds: readonly LatencyRound[]): LatencyPoint {
  const over = (of: (round: LatencyRound) => number | null): Spread | null => {
    const values = rounds.map(of).filter((value) => value !== null)
    return values.length < rounds.length ? null : spread(values)
  }
  const [p99, late] = [over((round) => round.p99), over((round) => round.late)]
  const notes = new Set(rounds.flatMap(({ faults }) => faults))
  // What comes late is not the server's fault, but counts as if it were.
  if (p99 !== null && late !== null && late.median > 0.25 * p99.median) {
    notes.add(`the load was late itself: by ${late.median.toFixed(2)} ms or more for 1 of 100 requests`)
  }
  const [disturbance, loadBusy] = [spread(rounds.map((round) => round.disturbance)), spread(rounds.map((round) => round.loadBusy))]
  if (disturbance.median > 0.05) notes.add(`others took ${percent(disturbance.median)} of the server's core`)
  if (loadBusy.median < 0.9) notes.add(`others took ${percent(1 - loadBusy.median)} of the load's core`)
  return {
    share, rate, notes: [...notes], cpu: spread(rounds.map(({ cpu }) => cpu)),
    p50: over((round) => round.p50), p99, p999: over((round) => round.p999),
  }
}
