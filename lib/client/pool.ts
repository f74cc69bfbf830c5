import { now, type Stream } from '../../lev/index.js'
import { perWorld, park, type ParkedConnection } from '../../lev/internal.js'

/** Maximum number of idle connections for one route, and in total. */
const mostPerRoute = 32
const mostInAll = 256

/** Seconds for which an idle connection is kept if the server gives no timeout. */
const usual = 4

/** Maximum seconds for which one is kept, and seconds by which it ends before the server's timeout: a request may be on its way. */
const longest = 60
const margin = 1

/** Idle connections, for later requests. They do not keep the process alive; anything from the server closes them. */
class Pool {
  /** By route; the most recently used connection is the last. */
  readonly #idle = new Map<string, ParkedConnection[]>()
  #count = 0

  /** Removes and returns an idle connection for a route; null if there is none. */
  take(route: string): Stream | null {
    const parked = this.#idle.get(route)?.at(-1)
    if (parked === undefined) return null
    this.#forget(route, parked)
    return parked.unpark()
  }

  /**
   * Keeps the connection of `stream`, or closes it if it cannot be kept. The caller must not use it afterwards.
   * @param timeout seconds for which the server keeps the connection; null if it does not say
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
