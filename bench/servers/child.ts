import { readFileSync } from 'node:fs'
import { tasks, type TaskName } from '../scenarios.js'

/** Where a server stands at one moment: all of it taken in one go, in the server's own process. */
export interface Sample {
  /** Seconds on the server's steady clock. */
  readonly time: number
  /** Requests that the handler has seen so far. */
  readonly requests: number
  /** CPU time of the whole process so far, all threads of it, in microseconds. */
  readonly user: number
  readonly system: number
}

/** What a server tells whoever started it. */
export type Message = { readonly port: number } | { readonly sample: Sample }

/** What a server is told on its command line. */
export interface Orders {
  readonly task: TaskName
  /** Paths of PEM files for TLS, or null. */
  readonly cert: string | null
  readonly key: string | null
}

/** The text of every short answer. */
export const hello = 'Hello, world!\n'

/** Counts the requests: each handler adds one when it begins. */
export const seen = { requests: 0 }

/** @throws Error if the command line is not `TASK` or `TASK CERT KEY` */
export function orders(): Orders {
  const [, , name, cert = null, key = null] = process.argv
  const task = tasks.find((known) => known === name)
  if (task === undefined) throw new Error(`unknown task ${name}; known are ${tasks.join(', ')}`)
  return { task, cert, key }
}

/** The files of `orders`, for a server that wants their content. */
export function pemOf({ cert, key }: Orders): { cert: Buffer; key: Buffer } | null {
  return cert === null || key === null ? null : { cert: readFileSync(cert), key: readFileSync(key) }
}

/** Tells the parent that the server listens, answers its questions from then on, and ends with it. */
export function report(port: number): void {
  const tell = (message: Message): void => void process.send?.(message)
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    tell({ sample: { time: performance.now() / 1000, requests: seen.requests, user, system } })
  })
  process.on('disconnect', () => process.exit())
  tell({ port })
}
