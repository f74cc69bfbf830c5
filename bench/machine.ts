import { readFileSync } from 'node:fs'
import os from 'node:os'
import type { Cores } from './proc.js'

/** What the numbers were made on and with. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly system: string
  readonly serverCore: number
  readonly loadCore: number
  readonly siblings: boolean
  readonly node: string
  readonly openssl: string
  readonly leveret: string
  readonly wrk: string
}

export function describeMachine(cores: Cores, wrk: string): Machine {
  const [cpu] = os.cpus()
  return {
    cpu: cpu.model.trim(),
    cores: os.cpus().length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    serverCore: cores.server,
    loadCore: cores.load,
    siblings: cores.siblings,
    node: process.version,
    openssl: process.versions.openssl ?? 'none',
    leveret: leveretVersion(),
    wrk,
  }
}

function leveretVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
