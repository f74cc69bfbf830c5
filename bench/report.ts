import type { Contender } from './contender.js'
import type { Machine } from './machine.js'
import type { Measured, Plan, Round } from './measure.js'
import { connections, type Scenario } from './scenarios.js'
import { ratios, spread, type Spread } from './statistics.js'

/** One contender in one scenario. */
export interface Row extends Contender {
  readonly requestsPerSecond: Spread
  /** CPU time per request in microseconds. */
  readonly cpu: Spread
  /** The part of it that the system spent on the server's behalf: the network, above all. */
  readonly systemCpu: Spread
  /** Against the reference, round by round; null for the reference itself. */
  readonly cpuRatio: Spread | null
  readonly rateRatio: Spread | null
  /** What to know before the numbers are believed. */
  readonly notes: readonly string[]
  readonly rounds: readonly Round[]
}

export interface Result {
  readonly scenario: Pick<Scenario, 'name' | 'title' | 'secure' | 'depth'>
  readonly rows: readonly Row[]
}

/** Sums up one scenario; the last contender is the reference. */
export function summarize({ name, title, secure, depth }: Scenario, measured: readonly Measured[]): Result {
  const reference = measured[measured.length - 1]
  const figures = ({ rounds }: Measured, of: (round: Round) => number): number[] => rounds.map(of)
  const rate = (round: Round): number => round.requestsPerSecond
  const cpu = (round: Round): number => round.cpu
  const rows = measured.map((one): Row => ({
    ...one.contender,
    requestsPerSecond: spread(figures(one, rate)),
    cpu: spread(figures(one, cpu)),
    systemCpu: spread(figures(one, (round) => round.systemCpu)),
    cpuRatio: one === reference ? null : ratios(figures(one, cpu), figures(reference, cpu)),
    rateRatio: one === reference ? null : ratios(figures(one, rate), figures(reference, rate)),
    notes: notesOn(one.rounds),
    rounds: one.rounds,
  }))
  return { scenario: { name, title, secure, depth }, rows }
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
  for (const fault of new Set(rounds.flatMap((round) => round.faults))) notes.push(`wrk: ${fault}`)
  return notes
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

/** The lines above the table. */
export function heading(machine: Machine, plan: Plan): string {
  const { cpu, cores, memoryGiB, system, serverCore, loadCore, siblings } = machine
  const lines = [
    `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}`,
    `Leveret ${machine.leveret}, Node ${machine.node}, OpenSSL ${machine.openssl}, wrk ${machine.wrk}`,
    `server on core ${serverCore}, load on core ${loadCore}: ${connections} connections, ` +
      `${plan.rounds} rounds of ${plan.window} s each, median (min..max)`,
  ]
  if (siblings) lines.push('The two cores are threads of one physical core: they slow each other down.')
  return lines.join('\n')
}

/** Widths. */
const columns: readonly number[] = [22, 26, 24, 11, 20, 20]

function line(cells: readonly string[]): string {
  return cells.map((cell, index) => (index === 0 ? cell.padEnd(columns[index]) : cell.padStart(columns[index]))).join('').trimEnd()
}

/** The lines above the scenarios' blocks. */
export function tableHead(reference: Contender): string {
  return [
    line(['', 'requests/s', 'CPU us/request', 'of system', `CPU / ${reference.title}`, `rate / ${reference.title}`]),
    '-'.repeat(columns.reduce((sum, width) => sum + width)),
  ].join('\n')
}

/** One scenario's block of the table. */
export function block({ scenario, rows }: Result): string {
  const lines = [`${scenario.title} (${scenario.name})`]
  for (const row of rows) {
    lines.push(line([
      `  ${row.title}`,
      show(row.requestsPerSecond, 0),
      show(row.cpu, 2),
      row.systemCpu.median.toFixed(2),
      row.cpuRatio === null ? '' : show(row.cpuRatio, 2),
      row.rateRatio === null ? '' : show(row.rateRatio, 2),
    ]))
    for (const note of row.notes) lines.push(`    ! ${note}`)
  }
  return lines.join('\n')
}

function show({ median, min, max }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${min.toFixed(digits)}..${max.toFixed(digits)})`
}
