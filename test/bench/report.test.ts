import t from 'tap'
import type { Round } from '../../bench/measure.js'
import { block, notesOn, summarize } from '../../bench/report.js'
import { scenarios } from '../../bench/scenarios.js'

const [scenario] = scenarios

function round(facts: Partial<Round>): Round {
  return {
    seconds: 1, requests: 1000, requestsPerSecond: 1000, cpu: 10, userCpu: 6, systemCpu: 4,
    serverBusy: 1, loadBusy: 0.5, disturbance: 0, faults: [], ...facts,
  }
}

t.test('the last contender is the reference', async (t) => {
  const mine = { contender: { name: 'a', title: 'A' }, rounds: [round({ cpu: 5 }), round({ cpu: 12 }), round({ cpu: 6 })] }
  const other = { contender: { name: 'b', title: 'B' }, rounds: [round({}), round({ cpu: 20 }), round({})] }
  const result = summarize(scenario, [mine, other])
  t.same(result.rows[0].cpu, { median: 6, min: 5, max: 12 })
  t.same(result.rows[0].cpuRatio, { median: 0.6, min: 0.5, max: 0.6 })
  t.same(result.rows[0].rateRatio, { median: 1, min: 1, max: 1 })
  t.equal(result.rows[1].cpuRatio, null)
  const [title, first, second] = block(result).split('\n')
  t.match(title, scenario.title)
  t.match(first, /^ {2}A .*1000 \(1000\.\.1000\).*6\.00 \(5\.00\.\.12\.00\).*0\.60 \(0\.50\.\.0\.60\)/)
  t.match(second, /^ {2}B .*10\.00 \(10\.00\.\.20\.00\) +4\.00$/)
})

t.test('what disturbed is said', async (t) => {
  t.same(notesOn([round({})]), [])
  t.match(notesOn([round({ disturbance: 0.2 })]), [/others took 20 %/])
  t.match(notesOn([round({ serverBusy: 0.6, loadBusy: 1 })]), [/busy for 60 %.*load for 100 %/])
  t.match(notesOn([round({ faults: ['Socket errors: 1'] }), round({ faults: ['Socket errors: 1'] })]), ['wrk: Socket errors: 1'])
})
