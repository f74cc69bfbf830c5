import type { RunningServer } from '../server.js'
import { missing, type Missing } from './setting.js'

/** A server that is being measured, as long as all goes well. */
export class Run<T> {
  readonly server: RunningServer
  readonly rounds: T[] = []
  failure: string | null = null

  constructor(server: RunningServer) {
    this.server = server
  }

  /** Does the work, unless something has failed before: one server's failure is not the others'. */
  async attempt(work: () => Promise<void>): Promise<void> {
    if (this.failure !== null) return
    try {
      await work()
    } catch (error) {
      this.failure = error instanceof Error ? error.message : String(error)
    }
  }
}

export function failures(runs: readonly Run<unknown>[]): Missing[] {
  return runs.flatMap(({ server, failure }) => (failure === null ? [] : [missing(server.peer, 'failed', failure)]))
}

/** 0 to `count` - 1; in every other round backwards: a slow drift of the machine favours no server. */
export function inTurns(count: number, round: number): number[] {
  const order = Array.from({ length: count }, (_, index) => index)
  return round % 2 === 1 ? order.reverse() : order
}
