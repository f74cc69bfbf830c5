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
  /** Of all programs that take part, by their names. */
  readonly versions: Readonly<Record<string, string>>
}

/** @param others versions of what is not part of Node */
export function describeMachine(cores: Cores, others: Readonly<Record<string, string>>): Machine {
  const [cpu] = os.cpus()
  return {
    cpu: cpu.model.trim(),
    cores: os.cpus().length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    serverCore: cores.server,
    loadCore: cores.load,
    siblings: cores.siblings,
    versions: { Node: process.version, OpenSSL: process.versions.openssl ?? 'none', ...others },
  }
}
