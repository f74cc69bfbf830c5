import type { Machine } from '../machine.js'
import type { Missing } from '../measure/setting.js'
import type { Plan } from '../plan.js'
import type { Spread } from '../statistics.js'
import type { CurveResult } from './curves.js'
import type { LatencyResult } from './latency.js'
import type { Result } from './result.js'
import type { ClosedResult } from './summary.js'

/** The lines above the table. */
export function heading(machine: Machine, plan: Plan): string {
  const { cpu, cores, memoryGiB, system, serverCore, loadCore, siblings, versions } = machine
  const lines = [
    `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}`,
    Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(', '),
    `server on core ${serverCore}, load on core ${loadCore}; ${plan.rounds} rounds of ${plan.window} s each, median (min..max)`,
  ]
  if (siblings) lines.push('The two cores are threads of one physical core: they slow each other down.')
  return lines.join('\n')
}

/** Widths. */
const columns: readonly number[] = [14, 26, 26, 11, 20, 20]

function line(cells: readonly string[]): string {
  return cells.map((cell, index) => (index === 0 ? cell.padEnd(columns[index]) : ` ${cell}`.padStart(columns[index]))).join('').trimEnd()
}

/** The lines above the scenarios' blocks. */
export function tableHead(): string {
  return [
    line(['', 'requests/s', 'CPU us/request', 'of system', 'CPU ratio', 'rate ratio']),
    '-'.repeat(columns.reduce((sum, width) => sum + width)),
  ].join('\n')
}

/** One scenario's block of the table. */
export function block(result: Result): string {
  const lines = result.kind === 'closed' ? closedLines(result) : result.kind === 'latency' ? latencyLines(result) : curveLines(result)
  return [...lines, ...lacking(result.missing)].join('\n')
}

function closedLines({ scenario, rows, reference }: ClosedResult): string[] {
  const lines = [`${scenario.title} (${scenario.name})${reference === null ? '' : `; ratios to ${reference}`}`]
  for (const row of rows) {
    lines.push(line([
      `  ${row.title}`,
      show(row.requestsPerSecond),
      show(row.cpu),
      digits(row.systemCpu.median),
      row.cpuRatio === null ? '' : show(row.cpuRatio),
      row.rateRatio === null ? '' : show(row.rateRatio),
    ]))
    lines.push(...row.notes.map(note))
  }
  return lines
}

function latencyLines({ scenario, base, slowest, rows }: LatencyResult): string[] {
  const lines = [`${scenario.title} (${scenario.name}); ms from the time due; rates are shares of the ${digits(base)}/s of ${slowest}`]
  lines.push(line(['', 'p50', 'p99', 'p99.9', 'CPU us/request', 'at most/s']))
  for (const { title, maximum, points } of rows) {
    for (const [index, { share, p50, p99, p999, cpu, notes }] of points.entries()) {
      const name = index === 0 ? `  ${title.padEnd(12)}` : ' '.repeat(14)
      const most = index === 0 ? digits(maximum) : ''
      const at = `${Math.round(share * 100)} %:`
      lines.push(`${name}${line([at, show(p50), show(p99), show(p999), digits(cpu.median), most]).trimEnd()}`, ...notes.map(note))
    }
  }
  return lines
}

function curveLines({ kind, scenario, rows, notes }: CurveResult): string[] {
  const what = kind === 'connections' ? 'connections' : 'pipelined'
  const lines = [`${scenario.title} (${scenario.name})`, ...notes.map(note)]
  lines.push(line(['', what, 'CPU us/request', 'requests/s', ...(kind === 'connections' ? ['KiB/connection'] : [])]))
  for (const { title, points } of rows) {
    for (const [index, { at, cpu, requestsPerSecond, memory, notes }] of points.entries()) {
      const kibibytes = memory === null ? '' : (memory / 1024).toFixed(1)
      lines.push(line([index === 0 ? `  ${title}` : '', String(at), show(cpu), digits(requestsPerSecond.median), kibibytes]))
      lines.push(...notes.map(note))
    }
  }
  return lines
}

function note(text: string): string {
  return `    ! ${text}`
}

/** A line for each peer that has no figures; one for all to which the scenario does not apply. */
function lacking(missing: readonly Missing[]): string[] {
  const outside = missing.filter(({ why }) => why === 'does not apply').map(({ title }) => title)
  const others = missing.filter(({ why }) => why !== 'does not apply').map(({ title, why, reason }) => `  ${title}: ${why}: ${reason}`)
  return outside.length === 0 ? others : [...others, `  does not apply: ${outside.join(', ')}`]
}

/** Some three digits that mean something. */
export function digits(value: number): string {
  return value.toFixed(value >= 100 ? 0 : value >= 20 ? 1 : 2)
}

/** A median with the range of its rounds, if there are several. */
export function show(values: Spread | null): string {
  if (values === null) return 'too few'
  const { median, min, max } = values
  return min === max ? digits(median) : `${digits(median)} (${digits(min)}..${digits(max)})`
}
