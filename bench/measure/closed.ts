import { setTimeout as sleep } from 'node:timers/promises'
import { ask, difference, type Answers } from '../check.js'
import type { Load } from '../load/load.js'
import { startLoad } from '../load/start.js'
import type { Peer } from '../peer.js'
import { coreBusy, cpuBetween, sampleCpu } from '../proc.js'
import type { Scenario } from '../scenarios.js'
import { RunningServer } from '../server.js'
import { missing, type Missing, type Setting } from './setting.js'

/** What one round of one server came to: all between two moments under load. */
export interface Round {
  readonly seconds: number
  readonly requests: number
  readonly requestsPerSecond: number
  /** CPU time of the server's processes for each request, in microseconds. */
  readonly cpu: number
  /** The part of it that the system spent on the server's behalf: the network, above all. */
  readonly systemCpu: number
  /** Share of its core that the server used: below 1 it had to wait for work, or for the core. */
  readonly serverBusy: number
  /** Share of its core that the load used: near 1 it was the load that set the rate. */
  readonly loadBusy: number
  /** Share of the server's core that went to others. */
  readonly disturbance: number
  /** What the load found wrong. */
  readonly faults: readonly string[]
}

export interface Measured {
  readonly peer: Peer
  readonly rounds: readonly Round[]
}

export interface Outcome {
  readonly measured: readonly Measured[]
  readonly missing: readonly Missing[]
}

/** Measures one scenario with all peers, in turns. One that fails has no figures; the others have. */
export async function measureClosed(scenario: Scenario, setting: Setting): Promise<Outcome> {
  const { plan, progress } = setting
  const { servers, missing: lacking } = await startAll(scenario, setting)
  const runs = servers.map((server) => ({ server, rounds: [] as Round[], failure: null as string | null }))
  const attempt = async (run: (typeof runs)[number], work: () => Promise<void>): Promise<void> => {
    if (run.failure !== null) return
    try {
      await work()
    } catch (error) {
      run.failure = error instanceof Error ? error.message : String(error)
    }
  }
  try {
    for (const run of runs) {
      progress(`${scenario.name}: warming up ${run.server.peer.title}`)
      await attempt(run, async () => void await underLoad(scenario, run.server, setting, () => sleep(plan.warmUp * 1000)))
    }
    for (let round = 0; round < plan.rounds; round++) {
      for (const index of inTurns(runs.length, round)) {
        const run = runs[index]
        progress(`${scenario.name}: round ${round + 1} of ${plan.rounds}, ${run.server.peer.title}`)
        await attempt(run, async () => void run.rounds.push(await measureRound(scenario, run.server, setting)))
      }
    }
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
  return {
    measured: runs.filter(({ failure }) => failure === null).map(({ server, rounds }) => ({ peer: server.peer, rounds })),
    missing: [...lacking, ...runs.flatMap(({ server, failure }) => (failure === null ? [] : [missing(server.peer, 'failed', failure)]))],
  }
}

/** 0 to `count` - 1; in every other round backwards: a slow drift of the machine favours nobody. */
export function inTurns(count: number, round: number): number[] {
  const order = Array.from({ length: count }, (_, index) => index)
  return round % 2 === 1 ? order.reverse() : order
}

/** Starts the servers that have a part in a scenario, and sees that they all answer as the first one does. */
export async function startAll(
  scenario: Scenario, { cores, ground, peers }: Pick<Setting, 'ground' | 'peers'> & { cores: Setting['cores'] | null },
): Promise<{ servers: RunningServer[]; missing: Missing[] }> {
  const servers: RunningServer[] = []
  const lacking: Missing[] = []
  let first: Answers | null = null
  for (const peer of peers) {
    const reason = peer.declines(scenario.task)
    if (reason !== null) {
      lacking.push(missing(peer, 'does not apply', reason))
      continue
    }
    let server: RunningServer | null = null
    try {
      server = await RunningServer.start(peer, scenario, ground, cores?.server ?? null)
      const answers = await ask(scenario, server.port)
      first ??= answers
      const found = difference(first, answers, scenario.kind === 'http' && scenario.freeFraming)
      if (found !== null) throw new Error(`it does not answer as ${servers[0].peer.title} does: ${found}`)
      servers.push(server)
    } catch (error) {
      await server?.stop()
      lacking.push(missing(peer, 'failed', error instanceof Error ? error.message : String(error)))
    }
  }
  return { servers, missing: lacking }
}

async function measureRound(scenario: Scenario, server: RunningServer, setting: Setting): Promise<Round> {
  const { result, faults } = await underLoad(scenario, server, setting, async (load) => {
    await sleep(setting.plan.settle * 1000)
    return between(load, server, setting, setting.plan.window)
  })
  return { ...result, faults }
}

/** What happens in the next `seconds`, under a load that is on. */
export async function between(load: Load, server: RunningServer, { cores }: Setting, seconds: number): Promise<Omit<Round, 'faults'>> {
  const look = (): Look => ({
    requests: load.count(), server: server.cpu(), at: performance.now(), load: sampleCpu(load.pid), core: coreBusy(cores.server),
  })
  const first = look()
  await sleep(seconds * 1000)
  const second = look()
  const took = (second.at - first.at) / 1000
  const requests = second.requests - first.requests
  if (requests <= 0) throw new Error(`no request was answered in ${took.toFixed(1)} s`)
  const { total, system } = cpuBetween(first.server, second.server)
  const serverBusy = total / 1e6 / took
  return {
    seconds: took,
    requests,
    requestsPerSecond: requests / took,
    cpu: total / requests,
    systemCpu: system / requests,
    serverBusy,
    loadBusy: cpuBetween(first.load, second.load).total / 1e6 / took,
    disturbance: Math.max(0, (second.core - first.core) / took - serverBusy),
  }
}

interface Look {
  readonly requests: number
  readonly server: ReturnType<RunningServer['cpu']>
  readonly at: number
  readonly load: ReturnType<typeof sampleCpu>
  readonly core: number
}

/** Runs `work` while the scenario's load is on the server. */
async function underLoad<T>(
  scenario: Scenario, server: RunningServer, { plan, ground, cores }: Setting, work: (load: Load) => Promise<T>,
): Promise<{ result: T; faults: readonly string[] }> {
  const load = startLoad(scenario, server.port, plan.warmUp + plan.settle + plan.window + 10, ground.folder, cores.load)
  try {
    const result = await work(load)
    const { faults } = await load.stop()
    return { result, faults }
  } finally {
    load.kill()
  }
}
