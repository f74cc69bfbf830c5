import { createHook, type HookCallbacks } from 'node:async_hooks'

/** Whether this version of Node reads a whole file in one job that is not among the active resources. */
const hidesReads = Number(process.versions.node.split('.')[0]) >= 26

/** Detects system requests (files, name look-ups) in progress, which a promise may be waiting for. */
export class SystemWork {
  readonly #reads = new Set<number>()
  readonly #hook = createHook(hooks(this.#reads))

  start(): void {
    if (hidesReads) this.#hook.enable()
  }

  stop(): void {
    this.#hook.disable()
  }

  get underWay(): boolean {
    return this.#reads.size > 0 || process.getActiveResourcesInfo().some((name) => /^(FSReq|CloseReq|GetAddrInfo|GetNameInfo)/.test(name))
  }
}

function hooks(reads: Set<number>): HookCallbacks & { readonly trackPromises: boolean } {
  const end = (id: number): void => void reads.delete(id)
  return {
    trackPromises: false,
    init(id, type) {
      if (type === 'FSREQCALLBACK') reads.add(id)
    },
    after: end,
    destroy: end,
  }
}
