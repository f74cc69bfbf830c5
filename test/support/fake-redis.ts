import * as lev from '../../lev/index.js'
import { callAt } from '../../lev/internal.js'
import type { NodeRedisClient } from '../../lib/web/limits/index.js'

/** Replies as the script would, `delay` seconds after it is asked: half of it on the way there. */
export class FakeRedis implements NodeRedisClient {
  isReady = true
  delay = 0.001
  /** What it replies instead. */
  error: Error | null = null
  /** Its requests: when, and for which key. */
  readonly asked: { readonly at: number; readonly key: string }[] = []
  readonly commands: string[] = []
  readonly #levels = new Map<string, [level: number, time: number]>()
  scripts = true

  evalSha(_sha: string, { keys: [key], arguments: args }: { keys: string[]; arguments: string[] }): Promise<unknown> {
    this.commands.push('evalSha')
    return this.#reply(key, args, this.scripts ? null : new Error('NOSCRIPT No matching script. Please use EVAL.'))
  }

  eval(_script: string, { keys: [key], arguments: args }: { keys: string[]; arguments: string[] }): Promise<unknown> {
    this.commands.push('eval')
    this.scripts = true
    return this.#reply(key, args, null)
  }

  #reply(key: string, args: readonly string[], unknown: Error | null): Promise<unknown> {
    // Outside of the tasks, as the second command after an unknown script: no time passes.
    const at = lev.inCoroutine() ? lev.now() : this.asked.at(-1)?.at ?? 0
    this.asked.push({ at, key })
    const failure = this.error ?? unknown
    const took = failure === null && this.delay < Infinity ? this.#take(key, args.map(Number), at + this.delay / 2) : null
    return new Promise((resolve, reject) => {
      const settle = (): void => failure === null ? resolve(took) : reject(failure)
      if (this.delay === 0 || !lev.inCoroutine()) settle()
      else if (this.delay < Infinity) callAt(at + this.delay, settle)
    })
  }

  /** The level of a budget at a time not before its last request. */
  levelAt(key: string, time: number, drain: number): number {
    const [last, then] = this.#levels.get(key) ?? [0, 0]
    return Math.max(0, last - Math.round((time - then) * 1e6) * drain)
  }

  #take(key: string, [added, full, drain]: number[], time: number): [granted: number, level: number] {
    const level = this.levelAt(key, time, drain)
    if (level > full - added) return [0, level]
    this.#levels.set(key, [level + added, time])
    return [1, level + added]
  }
}
