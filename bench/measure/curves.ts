import { setTimeout as sleep } from 'node:timers/promises'
import { Holder } from '../load/holder.js'
import type { Peer } from '../peer.js'
import { openFilesLimit, residentMemory } from '../proc.js'
import { bare } from '../requests.js'
import type { CurveScenario, HttpScenario } from '../scenarios.js'
import type { RunningServer } from '../server.js'
import { warmUp } from './closed.js'
import { measureRound, type Round } from './round.js'
import type { Missing, Setting } from './setting.js'
import { startAll } from './start.js'
import { failures, inTurns, Run } from './turns.js'

/** One server at one step of a curve. */
export interface Step {
  /** Connections held idle, or requests pipelined. */
  readonly at: number
  /** Bytes that the server's processes hold for each idle connection; null where that was not asked. */
  readonly memory: number | null
  readonly rounds: readonly Round[]
}

export interface CurveOutcome {
  readonly measured: readonly { readonly peer: Peer; readonly steps: readonly Step[] }[]
  readonly missing: readonly Missing[]
  /** What to know of the whole curve. */
  readonly notes: readonly string[]
}

/** Measures a curve, step by step. */
export async function measureCurve(scenario: CurveScenario, setting: Setting): Promise<CurveOutcome> {
  const { servers, missing } = await startAll(scenario.of, setting)
  const runs = servers.map((server) => new Run<Step>(server))
  const limit = scenario.kind === 'connections' ? openFilesLimit() - 200 : Infinity
  const steps = scenario.steps.filter((step) => step <= limit)
  const notes = steps.length < scenario.steps.length
    ? [`a process may have ${limit + 200} files open (ulimit -n): too few for ${scenario.steps.at(-1)} connections`]
    : []
  try {
    if (scenario.kind === 'connections') {
      for (const run of runs) await run.attempt(() => withConnections(scenario, steps, run, setting))
    } else {
      await withBacklogs(scenario, steps, runs, setting)
    }
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
  const measured = runs.filter(({ failure }) => failure === null).map(({ server, rounds }) => ({ peer: server.peer, steps: rounds }))
  return { measured, missing: [...missing, ...failures(runs)], notes }
}

/** One server after another: holding connections open in all of them at once would need too many. */
async function withConnections({ name, of }: CurveScenario, steps: readonly number[], run: Run<Step>, setting: Setting): Promise<void> {
  const { plan, cores, progress } = setting
  const { server } = run
  await warmUp(of, run, setting)
  const empty = await settledMemory(server)
  const holder = new Holder(server.port, cores.load)
  try {
    for (const at of steps) {
      progress(`${name}: ${at} connections, ${server.peer.title}`)
      await holder.hold(at)
      // What they left behind is collected now, and not while it is measured.
      await warmUp(of, run, setting)
      const rounds: Round[] = []
      for (let round = 0; round < plan.curveRounds; round++) rounds.push(await measureRound(of, server, setting))
      // None may have been closed in the meantime.
      await holder.hold(at)
      // Asking for memory has garbage collected, and leaves a server in a state that it would not be in: so at the end only.
      const memory = at === steps.at(-1) ? (await settledMemory(server) - empty) / at : null
      run.rounds.push({ at, memory, rounds })
    }
  } finally {
    holder.kill()
  }
}

/** Memory once the garbage is gone. */
async function settledMemory(server: RunningServer): Promise<number> {
  if (server.peer.collects) {
    for (let round = 0; round < 2; round++) {
      process.kill(server.pid, 'SIGUSR2')
      await sleep(200)
    }
  }
  await sleep(100)
  return residentMemory(server.pid)
}

async function withBacklogs(
  { name, of }: CurveScenario, depths: readonly number[], runs: readonly Run<Step>[], setting: Setting,
): Promise<void> {
  const { plan, progress } = setting
  for (const depth of depths) {
    const scenario: HttpScenario = { ...of, name: `${name}-${depth}`, depth, requests: () => [bare.repeat(depth)] }
    const found = runs.map((): Round[] => [])
    for (const run of runs) await run.attempt(() => warmUp(scenario, run, setting))
    for (let round = 0; round < plan.curveRounds; round++) {
      for (const index of inTurns(runs.length, round)) {
        const { server } = runs[index]
        progress(`${name}: ${depth} pipelined, round ${round + 1} of ${plan.curveRounds}, ${server.peer.title}`)
        await runs[index].attempt(async () => void found[index].push(await measureRound(scenario, server, setting)))
      }
    }
    for (const [index, rounds] of found.entries()) runs[index].rounds.push({ at: depth, memory: null, rounds })
  }
}
