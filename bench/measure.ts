import { setTimeout as sleep } from 'node:timers/promises'
import { ask, difference, type Answers } from './check.js'
import { contenders, RunningServer, type Contender, type PemFiles } from './contender.js'
import { Load } from './load.js'
import { coreBusy, processCpu, type Cores } from './proc.js'
import { connections, type Scenario } from './scenarios.js'

/** How long everything takes. Seconds. */
export interface Plan {
  readonly rounds: number
  /** Load before the first round, so that the code under test is compiled. */
  readonly warmUp: number
  /** Load of a round before measuring begins: connections (and handshakes) are made in it. */
  readonly settle: number
  /** Load that is measured. */
  readonly window: number
}

export interface Setting {
  readonly plan: Plan
  readonly cores: Cores
  readonly pem: PemFiles
  /** A folder for files of the moment. */
  readonly folder: string
  progress(text: string): void
}

/** What one round of one server came to. Between two samples that the server took in its own process. */
export interface Round {
  readonly seconds: number
  readonly requests: number
  readonly requestsPerSecond: number
  /** CPU time of the server's process for each request, in microseconds. */
  readonly cpu: number
  readonly userCpu: number
  readonly systemCpu: number
  /** Share of its core that the server used: below 1 it had to wait for work, or for the core. */
  readonly serverBusy: number
  /** Share of its core that the load used: near 1 it was the load that set the rate. */
  readonly loadBusy: number
  /** Share of the server's core that went to others. */
  readonly disturbance: number
  /** What wrk found wrong. */
  readonly faults: readonly string[]
}

export interface Measured {
  readonly contender: Contender
  readonly rounds: readonly Round[]
}

/** Measures one scenario with all contenders, in turns. @throws Error if their answers are not the same */
export async function measure(scenario: Scenario, setting: Setting): Promise<Measured[]> {
  const { plan, cores, pem, progress } = setting
  const servers: RunningServer[] = []
  try {
    for (const contender of contenders) servers.push(await RunningServer.start(contender, scenario, pem, cores.server))
    await checkAnswers(scenario, servers)
    for (const [index, server] of servers.entries()) {
      progress(`${scenario.name}: warming up ${contenders[index].title}`)
      await underLoad(scenario, server, setting, () => sleep(plan.warmUp * 1000))
    }
    const rounds: Round[][] = servers.map(() => [])
    for (let round = 0; round < plan.rounds; round++) {
      // Every other round goes backwards: a slow drift of the machine favours nobody.
      const order = [...servers.keys()]
      if (round % 2 === 1) order.reverse()
      for (const index of order) {
        progress(`${scenario.name}: round ${round + 1} of ${plan.rounds}, ${contenders[index].title}`)
        rounds[index].push(await measureRound(scenario, servers[index], setting))
      }
    }
    return contenders.map((contender, index) => ({ contender, rounds: rounds[index] }))
  } finally {
    for (const server of servers) server.stop()
  }
}

/** @throws Error naming two contenders whose answers differ, and how */
export async function checkAnswers(scenario: Scenario, servers: readonly RunningServer[]): Promise<void> {
  let first: Answers | null = null
  for (const [index, server] of servers.entries()) {
    const answers = await ask(scenario, server.port)
    first ??= answers
    const found = difference(first, answers)
    if (found !== null) {
      throw new Error(`${scenario.name}: ${contenders[0].title} and ${contenders[index].title} do not answer the same: ${found}`)
    }
  }
}

async function measureRound(scenario: Scenario, server: RunningServer, setting: Setting): Promise<Round> {
  const { plan, cores } = setting
  const { result, faults } = await underLoad(scenario, server, setting, async (load) => {
    await sleep(plan.settle * 1000)
    const first = { load: processCpu(load.pid), core: coreBusy(cores.server), at: await server.sample() }
    await sleep(plan.window * 1000)
    const last = { load: processCpu(load.pid), core: coreBusy(cores.server), at: await server.sample() }
    const seconds = last.at.time - first.at.time
    const requests = last.at.requests - first.at.requests
    const [user, system] = [last.at.user - first.at.user, last.at.system - first.at.system]
    const serverBusy = (user + system) / 1e6 / seconds
    return {
      seconds,
      requests,
      requestsPerSecond: requests / seconds,
      cpu: (user + system) / requests,
      userCpu: user / requests,
      systemCpu: system / requests,
      serverBusy,
      loadBusy: (last.load - first.load) / seconds,
      disturbance: Math.max(0, (last.core - first.core) / seconds - serverBusy),
    }
  })
  return { ...result, faults }
}

/** Runs `work` while the scenario's load is on the server. */
async function underLoad<T>(
  scenario: Scenario, server: RunningServer, { plan, folder, cores }: Setting, work: (load: Load) => Promise<T>,
): Promise<{ result: T; faults: readonly string[] }> {
  const before = await server.sample()
  const load = new Load(scenario, server.port, plan.warmUp + plan.settle + plan.window + 10, folder, cores.load)
  try {
    const result = await work(load)
    const { requests, faults } = await load.stop()
    const served = (await server.sample()).requests - before.requests
    // What was on its way when the load stopped, only the server has counted.
    if (served < requests || served > requests + connections * scenario.depth) {
      throw new Error(`${scenario.name}: wrk counts ${requests} answers, the server ${served} requests`)
    }
    return { result, faults }
  } finally {
    load.kill()
  }
}
