import { now, scope, timeout, TimeoutError, type Channel, type Op } from '../../lev/index.js'
import type { Acceptor } from './accept.js'
import type { Service } from './service.js'

/**
 * Serves the connections of a listener until the server is stopped. Ends when all are closed and no detached task runs, or when
 * the time for that is over; the rest is then cancelled.
 *
 * @param stopping receives the seconds to wait, once for each call of `stop`
 * @param release closes the listener; may be called twice
 */
export function* serveListener(service: Service, acceptor: Acceptor, stopping: Channel<number>, release: () => void): Op<void> {
  try {
    yield* scope(function* (tasks) {
      service.spawn = (start) => tasks.spawn(start)
      tasks.spawn(() => acceptor.run(tasks))
      const seconds = (yield* stopping.receive()) ?? 0
      service.drain()
      tasks.spawn(function* () {
        yield* acceptor.finishBacklog()
        release()
        yield* service.emptied()
        stopping.trySend(0)
      })
      yield* countDown(seconds, stopping)
      tasks.cancel('drain')
    })
  } finally {
    service.spawn = null
    release()
    // A connection whose task was cancelled before its first step has not closed itself.
    service.connections.close()
  }
}

/** Waits for at most `seconds`: each value received from `limits` is another maximum, counted from its arrival. */
function* countDown(seconds: number, limits: Channel<number>): Op<void> {
  let end = now() + seconds
  do {
    try {
      const limit = yield* timeout(end - now(), limits.receive())
      end = Math.min(end, now() + (limit ?? 0))
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error
      return
    }
  } while (now() < end)
}
