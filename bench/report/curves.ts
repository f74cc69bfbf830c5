import type { CurveOutcome } from '../measure/curves.js'
import type { Round } from '../measure/round.js'
import type { Missing } from '../measure/setting.js'
import type { CurveScenario } from '../scenarios.js'
import { spread, type Spread } from '../statistics.js'
import { notesOn } from './summary.js'

export interface CurvePoint {
  readonly at: number
  /** Bytes for each idle connection, or null. */
  readonly memory: number | null
  readonly requestsPerSecond: Spread
  /** CPU time per request in microseconds. */
  readonly cpu: Spread
  readonly notes: readonly string[]
  readonly rounds: readonly Round[]
}

export interface CurveRow {
  readonly peer: string
  readonly title: string
  readonly points: readonly CurvePoint[]
}

/** What came of a curve. */
export interface CurveResult {
  readonly kind: CurveScenario['kind']
  readonly scenario: { readonly name: string; readonly title: string }
  readonly rows: readonly CurveRow[]
  readonly missing: readonly Missing[]
  readonly notes: readonly string[]
}

export function summarizeCurve({ kind, name, title }: CurveScenario, { measured, missing, notes }: CurveOutcome): CurveResult {
  const rows = measured.map(({ peer, steps }): CurveRow => ({
    peer: peer.name,
    title: peer.title,
    points: steps.map(({ at, memory, rounds }) => ({
      at,
      memory,
      requestsPerSecond: spread(rounds.map((round) => round.requestsPerSecond)),
      cpu: spread(rounds.map((round) => round.cpu)),
      notes: notesOn(rounds),
      rounds,
    })),
  }))
  return { kind, scenario: { name, title }, rows, missing, notes }
}
