import { ask, difference, type Responses } from '../check.js'
import type { ClosedScenario } from '../scenarios.js'
import { RunningServer } from '../server.js'
import { missing, type Missing, type Setting } from './setting.js'

type Started = { readonly server: RunningServer } | { readonly missing: Missing }

/** Starts the servers that have a part in a scenario, and sees that they all respond as the first one does. */
export async function startAll(
  scenario: ClosedScenario, { cores, ground, peers }: Pick<Setting, 'ground' | 'peers'> & { readonly cores: Setting['cores'] | null },
): Promise<{ servers: RunningServer[]; missing: Missing[] }> {
  const started = await Promise.all(peers.map(async (peer): Promise<Started> => {
    const reason = peer.declines(scenario.task)
    if (reason !== null) return { missing: missing(peer, 'does not apply', reason) }
    try {
      return { server: await RunningServer.start(peer, scenario, ground, cores?.server ?? null) }
    } catch (error) {
      return { missing: missing(peer, 'failed', messageOf(error)) }
    }
  }))
  const servers: RunningServer[] = []
  const lacking: Missing[] = []
  let first: Responses | null = null
  for (const one of started) {
    if ('missing' in one) {
      lacking.push(one.missing)
      continue
    }
    const { server } = one
    try {
      const responses = await ask(scenario, server.port)
      first ??= responses
      const found = difference(first, responses, scenario.kind === 'http' && scenario.freeFraming)
      if (found !== null) throw new Error(`it does not respond as ${servers[0].peer.title} does: ${found}`)
      servers.push(server)
    } catch (error) {
      await server.stop()
      lacking.push(missing(server.peer, 'failed', messageOf(error)))
    }
  }
  return { servers, missing: lacking }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
