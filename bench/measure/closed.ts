import { setTimeout as sleep } from 'node:timers/promises'
import type { Peer } from '../peer.js'
import type { ClosedScenario } from '../scenarios.js'
import { measureRound, underLoad, type Round } from './round.js'
import type { Missing, Setting } from './setting.js'
import { startAll } from './start.js'
import { failures, inTurns, Run } from './turns.js'

export interface Measured {
  readonly peer: Peer
  readonly rounds: readonly Round[]
}

export interface Outcome {
  readonly measured: readonly Measured[]
  readonly missing: readonly Missing[]
}

/** Measures one scenario with all peers, in turns. One that fails has no figures; the others have. */
export async function measureClosed(scenario: ClosedScenario, setting: Setting): Promise<Outcome> {
  const { plan, progress } = setting
  const { servers, missing } = await startAll(scenario, setting)
  const runs = servers.map((server) => new Run<Round>(server))
  try {
    for (const run of runs) {
      progress(`${scenario.name}: warming up ${run.server.peer.title}`)
      await run.attempt(() => warmUp(scenario, run, setting))
    }
    for (let round = 0; round < plan.rounds; round++) {
      for (const index of inTurns(runs.length, round)) {
        const { server, rounds } = runs[index]
        progress(`${scenario.name}: round ${round + 1} of ${plan.rounds}, ${server.peer.title}`)
        await runs[index].attempt(async () => void rounds.push(await measureRound(scenario, server, setting)))
      }
    }
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
  const measured = runs.filter(({ failure }) => failure === null).map(({ server, rounds }) => ({ peer: server.peer, rounds }))
  return { measured, missing: [...missing, ...failures(runs)] }
}

export async function warmUp(scenario: ClosedScenario, { server }: Run<unknown>, setting: Setting): Promise<void> {
  await underLoad(scenario, server, setting, () => sleep(setting.plan.warmUp * 1000))
}
