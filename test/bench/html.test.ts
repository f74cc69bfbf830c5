import t from 'tap'
import type { Machine } from '../../bench/machine.js'
import type { Round } from '../../bench/measure/round.js'
import { missing } from '../../bench/measure/setting.js'
import type { Peer } from '../../bench/peer.js'
import { peers } from '../../bench/peers.js'
import { quick } from '../../bench/plan.js'
import { summarizeCurve } from '../../bench/report/curves.js'
import { html } from '../../bench/report/html.js'
import { summarizeLatency } from '../../bench/report/latency.js'
import { summarize } from '../../bench/report/summary.js'
import { bars, decades, escape, lines, spreadOut, steps } from '../../bench/report/svg.js'
import { block } from '../../bench/report/table.js'
import { closed, type CurveScenario, type LatencyScenario } from '../../bench/scenarios.js'

const round: Round = {
  seconds: 1, requests: 1000, requestsPerSecond: 1000, cpu: 10, systemCpu: 4, serverBusy: 1, loadBusy: 0.5, disturbance: 0, faults: [],
}
const named = (name: string, title: string): Peer => ({ ...peers[0], name, title })
const [mine, reference, gone] = [named('leveret', 'Leveret'), named('node-http', 'node:http'), named('bun', '<Bun & Co>')]
const lacking = [missing(gone, 'absent', 'not installed')]
const [bare] = closed
if (bare.kind !== 'http') throw new Error('bare is not what it was')

const closedResult = summarize(bare, { measured: [{ peer: mine, rounds: [round] }, { peer: reference, rounds: [round] }], missing: lacking })

const open: LatencyScenario = { kind: 'latency', name: 'latency', title: 'latency', of: bare, shares: [0.5, 0.9], quick: true }
const told = { requests: 5, faults: [], p50: 0.1, p99: 2, p999: null, max: 3, late: 0.01, cpu: 20, disturbance: 0, loadBusy: 1 }
const latencyResult = summarizeLatency(open, {
  base: 1000, slowest: 'node:http', missing: lacking,
  measured: [
    { peer: mine, maximum: 1500, rounds: [{ ...told, share: 0.5 }, { ...told, share: 0.9, late: 1, loadBusy: 0.7, disturbance: 0.3, faults: ['3 requests had no response'] }] },
    { peer: reference, maximum: 1000, rounds: [{ ...told, share: 0.5, p99: null }, { ...told, share: 0.9 }] },
  ],
})

const held: CurveScenario = { kind: 'connections', name: 'connections', title: 'idle', of: bare, steps: [100, 1000], quick: false }
const curveResult = summarizeCurve(held, {
  notes: ['too few files'], missing: lacking,
  measured: [{ peer: mine, steps: [{ at: 100, memory: 2048, rounds: [round] }, { at: 1000, memory: 3072, rounds: [round] }] }],
})

t.test('tables of latencies and curves', async (t) => {
  const [title, , first, second, ...rest] = block(latencyResult).split('\n')
  t.match(title, /rates are shares of the 1000\/s of node:http/)
  t.match(first, /^ {2}Leveret +50 %: +0\.10 +2\.00 +too few +20\.0 +1500$/)
  t.match(second, /^ +90 %:/)
  t.match(rest.join('\n'), /! 3 requests had no response\n +! the load was late itself: by 1\.00 ms.*\n.*others took 30 % of the server's core\n.*others took 30 % of the load's core/)
  t.match(rest.join('\n'), '  <Bun & Co>: absent: not installed')
  t.match(block(curveResult), /! too few files\n.*\n {2}Leveret +100 +10\.00 +1000 +2\.0\n +1000 .* 3\.0/)
})

t.test('the page shows everything and needs nothing', async (t) => {
  const machine: Machine = {
    cpu: 'a <CPU>', cores: 2, memoryGiB: 4, system: 'Linux', serverCore: 0, loadCore: 1, siblings: true, versions: { Node: 'v1' },
  }
  const page = html({ made: '2026-11-21T05:06:07.000Z', machine, plan: quick, results: [closedResult, closedResult, latencyResult, curveResult] })
  for (const expected of [
    'a &#60;CPU&#62;', 'Node v1', '2026-11-21 05:06', bare.title, 'id="latency"', 'id="connections"', '&#60;Bun &#38; Co&#62;: absent: not installed',
    'too few files', 'threads of one physical core', 'class="peer-leveret"', 'prefers-color-scheme: dark', '3 requests had no response',
  ]) t.match(page, expected)
  t.notMatch(page, /https?:\/\/|<script|<link|src=|@import|url\(|NaN|undefined|<Bun/)
  t.equal(page.match(/<svg/g)?.length, page.match(/<\/svg>/g)?.length)
})

t.test('plots', async (t) => {
  const value = { median: 2, min: 1, max: 4 }
  t.match(bars([{ peer: 'a', title: 'A', value, label: '2' }, { peer: 'b', title: 'B', value: { ...value, median: 4 }, label: '4' }], 'plot'),
    /<rect x="110" y="4" width="215".*<rect x="110" y="30" width="430"/)
  t.notMatch(bars([], 'nothing'), /NaN|Infinity/)
  t.equal(lines([], { label: '', x: '', y: '', marks: [], logX: true, logY: true }), '')
  t.same(decades(0.03, 25), [0.01, 0.1, 1, 10, 100])
  t.same(decades(1, 1), [1, 10])
  t.same(steps(9.6), [0, 2, 4, 6, 8, 10])
  t.same(steps(0.26), [0, 0.1, 0.2, 0.3])
  t.same(spreadOut([50, 10, 12], 15), [50, 10, 25])
  t.equal(escape('<a href="&">'), '&#60;a href=&#34;&#38;&#34;&#62;')
})
