import { frame } from '../frames.js'
import type { ClosedScenario } from '../scenarios.js'
import { GeneratorLoad } from './generator.js'
import type { Load } from './load.js'
import { WrkLoad } from './wrk.js'

/** Puts a scenario's load on a server. @param seconds after which it may end by itself, if it is not stopped */
export function startLoad(scenario: ClosedScenario, port: number, seconds: number, folder: string, core: number): Load {
  const { secure, connections, depth } = scenario
  if (scenario.kind === 'websocket') {
    const [payload, response] = [scenario.payload(), frame(scenario.payload(), scenario.asText, false)]
    const bytes = frame(payload, scenario.asText, true)
    return new GeneratorLoad('websocket', { port, secure, connections, depth, bytes, responseSize: response.length }, folder, core)
  }
  if (scenario.load === 'wrk') return new WrkLoad(scenario, port, seconds, folder, core)
  const bytes = Buffer.from(scenario.requests()[0], 'latin1')
  return new GeneratorLoad('handshake', { port, secure, connections, depth, bytes, responseSize: 0 }, folder, core)
}
