import type { Peer } from '../peer.js'
import type { Plan } from '../plan.js'
import type { Cores } from '../proc.js'
import type { Ground } from '../server.js'

/** What a measurement is made with. */
export interface Setting {
  readonly plan: Plan
  readonly cores: Cores
  readonly ground: Ground
  /** Those that were asked for and are to be had. */
  readonly peers: readonly Peer[]
  progress(text: string): void
}

/** Why there are no figures of a peer. */
export interface Missing {
  readonly peer: string
  readonly title: string
  readonly why: 'absent' | 'does not apply' | 'failed'
  readonly reason: string
}

export function missing({ name, title }: Peer, why: Missing['why'], reason: string): Missing {
  return { peer: name, title, why, reason }
}
