import type { Machine } from '../machine.js'
import type { Missing } from '../measure/setting.js'
import type { Plan } from '../plan.js'
import type { Result } from './summary.js'
import type { Spread } from '../statistics.js'

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
  return cells.map((cell, index) => (index === 0 ? cell.padEnd(columns[index]) : cell.padStart(columns[index]))).join('').trimEnd()
}

/** The lines above the scenarios' blocks. */
export function tableHead(): string {
  return [
    line(['', 'requests/s', 'CPU us/request', 'of system', 'CPU ratio', 'rate ratio']),
    '-'.repeat(columns.reduce((sum, width) => sum + width)),
  ].join('\n')
}

/** One scenario's block of the table. */
export function block({ scenario, rows, missing, reference }: Result): string {
  const lines = [`${scenario.title} (${scenario.name})${reference === null ? '' : `; ratios to ${reference}`}`]
  for (const row of rows) {
    lines.push(line([
      `  ${row.title}`,
      show(row.requestsPerSecond, row.requestsPerSecond.median < 100 ? 1 : 0),
      show(row.cpu, row.cpu.median < 1000 ? 2 : 0),
      row.systemCpu.median.toFixed(row.cpu.median < 1000 ? 2 : 0),
      row.cpuRatio === null ? '' : show(row.cpuRatio, 2),
      row.rateRatio === null ? '' : show(row.rateRatio, 2),
    ]))
    for (const note of row.notes) lines.push(`    ! ${note}`)
  }
  return [...lines, ...lacking(missing)].join('\n')
}

/** A line for each peer that has no figures; one for all to which the scenario does not apply. */
function lacking(missing: readonly Missing[]): string[] {
  const outside = missing.filter(({ why }) => why === 'does not apply').map(({ title }) => title)
  const others = missing.filter(({ why }) => why !== 'does not apply').map(({ title, why, reason }) => `  ${title}: ${why}: ${reason}`)
  return outside.length === 0 ? others : [...others, `  does not apply: ${outside.join(', ')}`]
}

function show({ median, min, max }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${min.toFixed(digits)}..${max.toFixed(digits)})`
}
