import http from 'node:http'
import t from 'tap'
import { random } from '../../bench/content.js'
import type { LatencyReport } from '../../bench/generators/open-loop.js'
import { GeneratorLoad } from '../../bench/load/generator.js'
import { chooseCores } from '../../bench/proc.js'
import { bare } from '../../bench/requests.js'
import { arrivals } from '../../bench/schedule.js'
import { listen } from '../support/listen.js'

const cores = process.platform === 'linux' ? chooseCores() : null

t.test('requests come at random, as many as they should, and the same every time', async (t) => {
  const times = (seed: number): number[] => {
    const next = arrivals(1000, 10, random(seed))
    const all: number[] = []
    for (let time = next(); time < Infinity; time = next()) all.push(time)
    return all
  }
  const all = times(1)
  t.ok(all.length > 9500 && all.length < 10_500, `${all.length}`)
  t.same(all, all.toSorted((a, b) => a - b))
  t.same(times(1), all)
  t.not(times(2)[0], all[0])
  // Their distances are those of a Poisson process: their standard deviation is their mean.
  const gaps = all.slice(1).map((time, index) => time - all[index])
  const mean = gaps.reduce((sum, gap) => sum + gap) / gaps.length
  const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length)
  t.ok(Math.abs(deviation / mean - 1) < 0.05, `${deviation / mean}`)
})

t.test('a stall counts for all requests that were due in it', { skip: cores === null }, async (t) => {
  let seen = 0
  const server = http.createServer((_request, response) => {
    seen++
    const stalled = performance.now() + (seen === 100 ? 300 : 0)
    while (performance.now() < stalled) continue
    response.end('hi')
  })
  const port = await listen(server)
  // So few that a slow machine keeps up with them.
  const schedule = { rate: 200, settle: 0.1, window: 6, seed: 1 }
  const load = new GeneratorLoad(
    'open-loop', { port, secure: false, connections: 4, depth: 1, bytes: Buffer.from(bare), responseSize: 0, schedule }, t.testdir(), cores?.load ?? 0,
  )
  const report = await load.report<LatencyReport>()
  load.kill()
  server.close()
  server.closeAllConnections()
  t.same(report.faults, [])
  t.ok(report.requests > 1000 && report.requests < 1400, `${report.requests}`)
  // A closed loop would have found four slow responses. Here some 60 were due in those 300 ms: a twentieth of all.
  t.ok(report.p99 !== null && report.p99 > 150, `${report.p99}`)
})
