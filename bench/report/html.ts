import type { Missing } from '../measure/setting.js'
import type { Spread } from '../statistics.js'
import type { CurveResult } from './curves.js'
import type { LatencyResult } from './latency.js'
import type { Report, Result } from './result.js'
import { style } from './style.js'
import { percent, type ClosedResult } from './summary.js'
import { bars, escape, lines } from './svg.js'
import { digits, show } from './table.js'

/** The report as one page that needs nothing else: no network, no script. */
export function html({ made, machine, plan, results }: Report): string {
  const { cpu, cores, memoryGiB, system, serverCore, loadCore, siblings, versions } = machine
  const title = 'Leveret: benchmark'
  const facts = [
    `${made.slice(0, 16).replace('T', ' ')} UTC; ${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}`,
    Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(', '),
    `Server on core ${serverCore}, load on core ${loadCore}${siblings ? ', two threads of one physical core' : ''}. ` +
      `${plan.rounds} rounds of ${plan.window} s each, in turns; shown are medians, and the least and the greatest round.`,
    'CPU time per request is the steady figure: user and system, of all the server\'s processes. Less is better. ' +
      'bench/README.md says how each number is made and how to read it.',
  ]
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${style}</style>
</head>
<body>
<h1>${title}</h1>
${facts.map((fact) => `<p class="soft">${escape(fact)}</p>`).join('\n')}
${overview(results)}
${results.map(section).join('\n')}
</body>
</html>
`
}

/** CPU time per request of each server, as multiples of the reference's. */
function overview(results: readonly Result[]): string {
  const closed = results.filter((result) => result.kind === 'closed')
  const titles = new Map(closed.flatMap(({ rows }) => rows.map(({ peer, title }) => [peer, title] as const)))
  if (closed.length < 2) return ''
  const rows = closed.map((result) => {
    const cells = [...titles.keys()].map((peer) => {
      const row = result.rows.find((one) => one.peer === peer)
      const why = result.missing.find((one) => one.peer === peer)?.why ?? ''
      if (row === undefined) return `<td class="soft">${why === 'does not apply' ? '' : why}</td>`
      return `<td>${row.cpuRatio === null ? (row.title === result.reference ? '1' : '') : row.cpuRatio.median.toFixed(2)}</td>`
    })
    return `<tr><td><a href="#${result.scenario.name}">${escape(result.scenario.title)}</a></td>${cells.join('')}</tr>`
  })
  const heads = [...titles.values()].map((title) => `<th>${escape(title)}</th>`)
  return `<h2>CPU time per request, as a multiple of node:http's (of ws's for WebSocket)</h2>
<div class="wide"><table><tr><th></th>${heads.join('')}</tr>${rows.join('\n')}</table></div>`
}

function section(result: Result): string {
  const body = result.kind === 'closed' ? closedBody(result) : result.kind === 'latency' ? latencyBody(result) : curveBody(result)
  const lacking = result.missing.map(({ title, why, reason }: Missing) =>
    `<li class="soft">${escape(`${title}: ${why}: ${reason}`)}</li>`)
  return `<h2 id="${result.scenario.name}">${escape(result.scenario.title)} <small>${result.scenario.name}</small></h2>
${body}
${lacking.length === 0 ? '' : `<ul class="notes">${lacking.join('')}</ul>`}`
}

function closedBody({ rows, reference, scenario }: ClosedResult): string {
  const heads = ['', 'CPU µs/request', 'of system', 'requests/s', ...(reference === null ? [] : [`CPU / ${reference}`, `rate / ${reference}`])]
  const cells = rows.map((row) => ({
    peer: row.peer,
    cells: [
      row.title, show(row.cpu), digits(row.systemCpu.median), show(row.requestsPerSecond),
      ...(reference === null ? [] : [row.cpuRatio, row.rateRatio].map((ratio) => (ratio === null ? '' : show(ratio)))),
    ],
  }))
  const shapes = rows.map(({ peer, title, cpu }) => ({ peer, title, value: cpu, label: `${digits(cpu.median)} µs` }))
  return `${bars(shapes, `CPU time per request, ${scenario.title}`)}
${table(heads, cells)}
${notes(rows.flatMap(({ title, notes }) => notes.map((note) => `${title}: ${note}`)))}`
}

function latencyBody({ rows, base, slowest, scenario }: LatencyResult): string {
  const heads = ['', 'rate', 'p50 ms', 'p99 ms', 'p99.9 ms', 'CPU µs/request', 'at most/s']
  const cells = rows.flatMap(({ peer, title, maximum, points }) => points.map(({ share, rate, p50, p99, p999, cpu }) => ({
    peer, cells: [title, `${percent(share)} (${digits(rate)}/s)`, show(p50), show(p99), show(p999), digits(cpu.median), digits(maximum)],
  })))
  const marks = (rows[0]?.points ?? []).map(({ share }) => ({ at: share, text: percent(share) }))
  const plot = (name: string, of: (point: LatencyResult['rows'][number]['points'][number]) => Spread | null): string => {
    const series = rows.map(({ peer, title, points }) => ({
      peer, title, points: points.flatMap((point) => {
        const y = of(point)
        return y === null ? [] : [{ x: point.share, y }]
      }),
    })).filter(({ points }) => points.length > 0)
    const x = `share of what ${slowest} can do, ${digits(base)} requests/s`
    return lines(series, { label: `${name}, ${scenario.title}`, x, y: `${name}, ms`, marks, logX: false, logY: true })
  }
  return `<p class="soft">An open loop: requests are due at times fixed before, and their latency counts from then on.</p>
${plot('p50', ({ p50 }) => p50)}
${plot('p99', ({ p99 }) => p99)}
${table(heads, cells)}
${notes(rows.flatMap(({ title, points }) =>
    points.flatMap(({ share, notes }) => notes.map((note) => `${title}, ${percent(share)}: ${note}`))))}`
}

function curveBody({ kind, rows, scenario, notes: said }: CurveResult): string {
  const connections = kind === 'connections'
  const heads = ['', connections ? 'connections' : 'pipelined', 'CPU µs/request', 'requests/s', ...(connections ? ['KiB/connection'] : [])]
  const cells = rows.flatMap(({ peer, title, points }) => points.map(({ at, cpu, requestsPerSecond, memory }) => ({
    peer, cells: [title, String(at), show(cpu), show(requestsPerSecond), ...(connections ? [memory === null ? '' : (memory / 1024).toFixed(1)] : [])],
  })))
  const marks = (rows[0]?.points ?? []).map(({ at }) => ({ at, text: String(at) }))
  const series = rows.map(({ peer, title, points }) => ({ peer, title, points: points.map(({ at, cpu }) => ({ x: at, y: cpu })) }))
  const x = connections ? 'connections held open' : 'requests sent at once'
  const memory = rows.map(({ peer, title, points }) => {
    const held = (points.at(-1)?.memory ?? 0) / 1024
    return { peer, title, value: { median: held, min: held, max: held }, label: `${held.toFixed(1)} KiB` }
  })
  return `${lines(series, { label: scenario.title, x, y: 'CPU µs/request', marks, logX: true, logY: false })}
${connections ? `<p>Memory of the server's processes for each idle connection</p>${bars(memory, 'memory for each idle connection')}` : ''}
${table(heads, cells)}
${notes([...said, ...rows.flatMap(({ title, points }) =>
    points.flatMap(({ at, notes }) => notes.map((note) => `${title}, ${at}: ${note}`)))])}`
}

function table(heads: readonly string[], rows: readonly { readonly peer: string; readonly cells: readonly string[] }[]): string {
  const body = rows.map(({ peer, cells }) => `<tr class="${peer}">${cells.map((cell) => `<td>${escape(cell)}</td>`).join('')}</tr>`)
  return `<div class="wide"><table><tr>${heads.map((head) => `<th>${escape(head)}</th>`).join('')}</tr>${body.join('\n')}</table></div>`
}

/** What to know before the numbers are believed. */
function notes(all: readonly string[]): string {
  if (all.length === 0) return ''
  const items = all.map((note) => `<li>${escape(note)}</li>`).join('')
  return `<details><summary>${all.length} notes on what disturbed or limited this</summary><ul class="notes">${items}</ul></details>`
}
