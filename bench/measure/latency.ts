import { setTimeout as sleep } from 'node:timers/promises'
import type { LatencyReport } from '../generators/open-loop.js'
import { GeneratorLoad } from '../load/generator.js'
import type { Peer } from '../peer.js'
import type { LatencyScenario } from '../scenarios.js'
import type { RunningServer } from '../server.js'
import { warmUp } from './closed.js'
import { between, measureRound } from './round.js'
import type { Missing, Setting } from './setting.js'
import { startAll } from './start.js'
import { failures, inTurns, Run } from './turns.js'

/** One server at one rate, once. */
export interface LatencyRound extends LatencyReport {
  /** Of the slowest peer's maximum. */
  readonly share: number
  /** CPU time per request in microseconds. */
  readonly cpu: number
  /** Share of the server's core that went to others. */
  readonly disturbance: number
  /** Share of its core that the load had, which never rests. */
  readonly loadBusy: number
}

export interface LatencyOutcome {
  /** Requests a second that the slowest can do: what the shares are shares of. */
  readonly base: number
  readonly slowest: string
  readonly measured: readonly { readonly peer: Peer; readonly maximum: number; readonly rounds: readonly LatencyRound[] }[]
  readonly missing: readonly Missing[]
}

/** Finds what each peer can do at most, then measures latencies at the same rates for all, in turns. */
export async function measureLatency(scenario: LatencyScenario, setting: Setting): Promise<LatencyOutcome> {
  const { plan, progress } = setting
  const { name, of, shares } = scenario
  const { servers, missing } = await startAll(of, setting)
  const runs = servers.map((server) => new Run<LatencyRound>(server))
  const maxima = new Map<Run<LatencyRound>, number>()
  try {
    for (const run of runs) {
      progress(`${name}: what ${run.server.peer.title} can do`)
      await run.attempt(async () => {
        await warmUp(of, run, setting)
        maxima.set(run, (await measureRound(of, run.server, setting)).requestsPerSecond)
      })
    }
    const base = Math.min(...maxima.values())
    for (let round = 0; round < plan.latencyRounds; round++) {
      for (const share of shares) {
        for (const index of inTurns(runs.length, round)) {
          const { server, rounds } = runs[index]
          progress(`${name}: round ${round + 1} of ${plan.latencyRounds}, ${Math.round(share * 100)} %, ${server.peer.title}`)
          await runs[index].attempt(async () => {
            rounds.push({ share, ...await atRate(base * share, round, server, scenario, setting) })
          })
        }
      }
    }
    const slowest = runs.find((run) => maxima.get(run) === base)?.server.peer.title ?? ''
    const measured = runs.filter(({ failure }) => failure === null)
      .map((run) => ({ peer: run.server.peer, maximum: maxima.get(run) ?? 0, rounds: run.rounds }))
    return { base, slowest, measured, missing: [...missing, ...failures(runs)] }
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
}

async function atRate(
  rate: number, round: number, server: RunningServer, { of }: LatencyScenario, setting: Setting,
): Promise<Omit<LatencyRound, 'share'>> {
  const { plan, cores, ground } = setting
  const bytes = Buffer.from(of.requests()[0], 'latin1')
  const { secure, connections } = of
  // The same times for each server, others in each round.
  const schedule = { rate, settle: plan.settle, window: plan.latencyWindow, seed: round }
  const load = new GeneratorLoad(
    'open-loop', { port: server.port, secure, connections, depth: 1, bytes, responseSize: 0, schedule }, ground.folder, cores.load,
  )
  try {
    const ended = load.report<LatencyReport>()
    const facts = (async () => {
      // Connections are made before anything is counted.
      for (const start = performance.now(); load.count() === 0 && performance.now() < start + 2000;) await sleep(5)
      return between(load, server, setting, 0.9 * (plan.settle + plan.latencyWindow))
    })()
    const [report, { cpu, disturbance, loadBusy }] = await Promise.all([ended, facts])
    return { ...report, cpu, disturbance, loadBusy }
  } finally {
    load.kill()
  }
}
