import { readFileSync } from 'node:fs'
import { Count } from '../load/counter.js'

/** What a generator is told, as JSON on its command line. */
export interface Orders {
  readonly port: number
  readonly secure: boolean
  readonly connections: number
  /** Requests or messages that are under way at once on each connection. */
  readonly depth: number
  /** A file with the bytes to send over and over. */
  readonly file: string
  /** Bytes of the response, where that is not seen from the response. */
  readonly responseSize: number
  /** The file to keep count in. */
  readonly counter: string
  /** For those that keep to a schedule. */
  readonly schedule?: Schedule
}

/** When an open loop sends. */
export interface Schedule {
  /** Requests a second. */
  readonly rate: number
  /** Seconds at the beginning that do not count. */
  readonly settle: number
  /** Seconds that count. */
  readonly window: number
  readonly seed: number
}

/** What a generator prints at its end, as JSON. */
export interface Report {
  readonly requests: number
  readonly faults: readonly string[]
}

export function orders(): Orders {
  return JSON.parse(process.argv[2]) as Orders
}

export function bytesToSend({ file }: Orders): Buffer {
  return readFileSync(file)
}

/** Counts, collects what goes wrong, and reports when it is stopped. */
export class Tally {
  readonly #count: Count
  readonly #faults = new Map<string, number>()

  constructor({ counter }: Orders) {
    this.#count = new Count(counter)
    process.once('SIGINT', () => {
      const faults = [...this.#faults].map(([fault, times]) => `${times} times: ${fault}`)
      process.stdout.write(JSON.stringify({ requests: this.#count.value, faults } satisfies Report), () => process.exit())
    })
  }

  add(responses: number): void {
    this.#count.add(responses)
  }

  fault(text: string): void {
    this.#faults.set(text, (this.#faults.get(text) ?? 0) + 1)
  }
}
