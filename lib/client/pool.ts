import { now, type Stream } from '../../lev/index.js'
import { perWorld, park, type ParkedConnection } from '../../lev/internal.js'

/** Idle connections that are kept for one route, and in all. */
const mostPerRoute = 32
const mostInAll = 256

/** Seconds for which an idle connection is kept whose server does not say how long it keeps it. */
const usual = 4

/** Seconds for which one is kept at most, and by which it ends before its server would end it: a request may be on its way. */
const longest = 60
const margin = 1

/** Idle connections, for later requests. They do not keep the process, and end when their server says or sends anything. */
class Pool {
  /** By route, the one used last at the end. */
  readonly #idle = new Map<string, ParkedConnection[]>()
  #count = 0

  /** An idle connection for a route; null: there is none. */
  take(route: string): Stream | null {
    const parked = this.#idle.get(route)?.at(-1)
    if (parked === undefined) return null
    this.#forget(route, parked)
    return parked.unpark()
  }

  /**
   * Keeps the connection of `stream`, which the caller has no more to do with: it is closed if it cannot be kept.
   * @param timeout seconds for which the server says that it keeps it; null: it does not say
   */
  keep(route: string, stream: Stream, timeout: number | null): void {
    const seconds = timeout === null ? usual : Math.min(timeout - margin, longest)
    if (seconds <= 0) return stream.close()
    const parked = park(stream, now() + seconds, (woken) => {
      this.#forget(route, parked)
      woken.close()
    }, false)
    if (parked === null) return stream.close()
    let kept = this.#idle.get(route)
    if (kept === undefined) this.#idle.set(route, (kept = []))
    kept.push(parked)
    this.#count++
    if (kept.length > mostPerRoute) this.#close(route, kept[0])
    else if (this.#count > mostInAll) for (const [oldest, [first]] of this.#idle) return this.#close(oldest, first)
  }

  #close(route: string, parked: ParkedConnection): void {
    this.#forget(route, parked)
    parked.close()
  }

  #forget(route: string, parked: ParkedConnection | null): void {
    const kept = this.#idle.get(route)
    const at = kept === undefined || parked === null ? -1 : kept.indexOf(parked)
    if (kept === undefined || at < 0) return
    kept.splice(at, 1)
    this.#count--
    if (kept.length === 0) this.#idle.delete(route)
  }
}

/** The idle connections of the running task's world. */
export const pool = perWorld('request', () => new Pool())
