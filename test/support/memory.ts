import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
/** Collects all garbage, once. */
export const collect = runInNewContext('gc') as () => void

/** Bytes in use once all garbage is collected: objects and the contents of buffers. */
export async function bytesInUse(): Promise<number> {
  for (let k = 0; k < 3; k++) {
    collect()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** How many resources of a kind are open in this process: `TCPSocketWrap`, `TCPServerWrap`, `Timeout`... */
export function openResources(kind: string): number {
  return process.getActiveResourcesInfo().filter((name) => name === kind).length
}

/** What keeps this process alive, besides its standard streams and what ends by itself. */
export function keepingAlive(): string[] {
  return process.getActiveResourcesInfo().filter((name) => !/^(TTY|Pipe|File|Immediate|CloseReq)/.test(name))
}
