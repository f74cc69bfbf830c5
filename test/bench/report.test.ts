import t from 'tap'
import type { Round } from '../../bench/measure/round.js'
import { missing } from '../../bench/measure/setting.js'
import type { Peer } from '../../bench/peer.js'
import { peers } from '../../bench/peers.js'
import { notesOn, summarize } from '../../bench/report/summary.js'
import { block } from '../../bench/report/table.js'
import { closed } from '../../bench/scenarios.js'

const [scenario] = closed

function round(facts: Partial<Round>): Round {
  return {
    seconds: 1, requests: 1000, requestsPerSecond: 1000, cpu: 10, systemCpu: 4,
    serverBusy: 1, loadBusy: 0.5, disturbance: 0, faults: [], ...facts,
  }
}

const named = (name: string, title: string): Peer => ({ ...peers[0], name, title })
const mine = { peer: named('a', 'A'), rounds: [round({ cpu: 5 }), round({ cpu: 12 }), round({ cpu: 6 })] }
const reference = { peer: named('node-http', 'B'), rounds: [round({}), round({ cpu: 20 }), round({})] }

t.test('ratios are made to the reference, round by round', async (t) => {
  const result = summarize(scenario, { measured: [mine, reference], missing: [] })
  t.same(result.rows[0].cpu, { median: 6, min: 5, max: 12 })
  t.same(result.rows[0].cpuRatio, { median: 0.6, min: 0.5, max: 0.6 })
  t.same(result.rows[0].rateRatio, { median: 1, min: 1, max: 1 })
  t.equal(result.rows[1].cpuRatio, null)
  const [title, first, second] = block(result).split('\n')
  t.match(title, `${scenario.title} (${scenario.name}); ratios to B`)
  t.match(first, /^ {2}A .*1000 .*6\.00 \(5\.00\.\.12\.00\).*0\.60 \(0\.50\.\.0\.60\)/)
  t.match(second, /^ {2}B .*10\.00 \(10\.00\.\.20\.0\) +4\.00$/)
})

t.test('without the reference there are no ratios', async (t) => {
  const result = summarize(scenario, { measured: [mine], missing: [] })
  t.equal(result.reference, null)
  t.equal(result.rows[0].cpuRatio, null)
  t.match(block(result), /^bare GET, keep-alive \(bare\)\n {2}A +1000/)
})

t.test('a peer without figures is named, with the reason', async (t) => {
  const [gone, broken, other] = [named('c', 'C'), named('d', 'D'), named('e', 'E')]
  const lacking = [
    missing(gone, 'absent', 'not installed'), missing(broken, 'failed', 'it ended with 1'), missing(other, 'does not apply', 'no text'),
  ]
  const text = block(summarize(scenario, { measured: [reference], missing: lacking }))
  t.match(text, '\n  C: absent: not installed\n  D: failed: it ended with 1\n  does not apply: E')
})

t.test('what disturbed is said', async (t) => {
  t.same(notesOn([round({})]), [])
  t.match(notesOn([round({ disturbance: 0.2 })]), [/others took 20 %/])
  t.match(notesOn([round({ serverBusy: 0.6, loadBusy: 1 })]), [/busy for 60 %.*load for 100 %/])
  t.match(notesOn([round({ faults: ['Socket errors: 1'] }), round({ faults: ['Socket errors: 1'] })]), ['Socket errors: 1'])
})
