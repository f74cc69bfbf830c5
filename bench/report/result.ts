import type { Machine } from '../machine.js'
import type { Plan } from '../plan.js'
import type { CurveResult } from './curves.js'
import type { LatencyResult } from './latency.js'
import type { ClosedResult } from './summary.js'

export type Result = ClosedResult | LatencyResult | CurveResult

/** All that a run came to: what the JSON file holds. */
export interface Report {
  /** When, as ISO 8601. */
  readonly made: string
  readonly machine: Machine
  readonly plan: Plan
  readonly results: readonly Result[]
}
