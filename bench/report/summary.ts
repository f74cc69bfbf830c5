import type { Measured, Outcome } from '../measure/closed.js'
import type { Round } from '../measure/round.js'
import type { Missing } from '../measure/setting.js'
import { referenceOf } from '../peers.js'
import type { ClosedScenario } from '../scenarios.js'
import { ratios, spread, type Spread } from '../statistics.js'

/** One peer in one scenario. */
export interface Row {
  readonly peer: string
  readonly title: string
  readonly requestsPerSecond: Spread
  /** CPU time per request in microseconds. */
  readonly cpu: Spread
  readonly systemCpu: Spread
  /** Against the reference, round by round; null for the reference itself, and without it. */
  readonly cpuRatio: Spread | null
  readonly rateRatio: Spread | null
  /** What to know before the numbers are believed. */
  readonly notes: readonly string[]
  readonly rounds: readonly Round[]
}

/** What came of a closed loop. */
export interface ClosedResult {
  readonly kind: 'closed'
  readonly scenario: Pick<ClosedScenario, 'name' | 'title' | 'secure' | 'depth' | 'connections'>
  /** The title of whom the others are compared with, if it was measured. */
  readonly reference: string | null
  readonly rows: readonly Row[]
  readonly missing: readonly Missing[]
}

/** Sums up one scenario. */
export function summarize({ name, title, secure, depth, connections, task }: ClosedScenario, { measured, missing }: Outcome): ClosedResult {
  const reference = measured.find(({ peer }) => peer.name === referenceOf(task))
  const rate = (round: Round): number => round.requestsPerSecond
  const cpu = (round: Round): number => round.cpu
  const against = (one: Measured, of: (round: Round) => number): Spread | null =>
    reference === undefined || one === reference ? null : ratios(one.rounds.map(of), reference.rounds.map(of))
  const rows = measured.map((one): Row => ({
    peer: one.peer.name,
    title: one.peer.title,
    requestsPerSecond: spread(one.rounds.map(rate)),
    cpu: spread(one.rounds.map(cpu)),
    systemCpu: spread(one.rounds.map((round) => round.systemCpu)),
    cpuRatio: against(one, cpu),
    rateRatio: against(one, rate),
    notes: notesOn(one.rounds),
    rounds: one.rounds,
  }))
  return { kind: 'closed', scenario: { name, title, secure, depth, connections }, reference: reference?.peer.title ?? null, rows, missing }
}

/** What disturbed the rounds, as far as it can be told. */
export function notesOn(rounds: readonly Round[]): string[] {
  const notes: string[] = []
  const disturbance = spread(rounds.map((round) => round.disturbance))
  if (disturbance.median > 0.05) notes.push(`others took ${percent(disturbance.median)} of the server's core`)
  const busy = spread(rounds.map((round) => round.serverBusy))
  const load = spread(rounds.map((round) => round.loadBusy))
  if (busy.median < 0.9) {
    notes.push(`the server was busy for ${percent(busy.median)} of the time, the load for ${percent(load.median)}: more was possible`)
  }
  return [...notes, ...new Set(rounds.flatMap((round) => round.faults))]
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}
