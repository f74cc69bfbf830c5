import type { ChildProcess } from 'node:child_process'

/** What a load says at its end. */
export interface LoadSummary {
  /** Requests that got a response. */
  readonly requests: number
  /** Failed or late responses, as the load puts it; empty if all was well. */
  readonly faults: readonly string[]
}

/** A load on a server, in a process of its own, from its making until it is stopped. */
export interface Load {
  readonly pid: number
  /** Requests so far. */
  count(): number
  /** Ends it and lets it tell what it saw. */
  stop(): Promise<LoadSummary>
  /** Ends it with nothing asked. Harmless when it has ended. */
  kill(): void
}

/** What a process writes, as one text, once it has ended. */
export function output(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout?.setEncoding('utf8').on('data', (part: string) => (text += part))
    child.stderr?.setEncoding('utf8').on('data', (part: string) => (text += part))
    child.once('error', reject)
    child.once('close', () => resolve(text))
  })
}
