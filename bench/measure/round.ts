import { setTimeout as sleep } from 'node:timers/promises'
import type { Load } from '../load/load.js'
import { startLoad } from '../load/start.js'
import { coreBusy, cpuBetween, sampleCpu } from '../proc.js'
import type { ClosedScenario } from '../scenarios.js'
import type { RunningServer } from '../server.js'
import type { Setting } from './setting.js'

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

/** One round of a closed loop. */
export async function measureRound(scenario: ClosedScenario, server: RunningServer, setting: Setting): Promise<Round> {
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
  if (requests <= 0) throw new Error(`no request got a response in ${took.toFixed(1)} s`)
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
export async function underLoad<T>(
  scenario: ClosedScenario, server: RunningServer, { plan, ground, cores }: Setting, work: (load: Load) => Promise<T>,
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
