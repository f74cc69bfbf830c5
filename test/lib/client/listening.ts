import * as lev from '../../../lev/index.js'
import type { Op, Stream } from '../../../lev/index.js'

/**
 * Runs `one` for each connection to a port while `story` runs. The connection is closed when that is over, and a client that leaves
 * within it is no fault.
 */
export function* listening<T>(one: (stream: Stream) => Op<void>, story: (port: number, open: () => number) => Op<T>): Op<T> {
  const listener = yield* lev.listen({ ip: '127.0.0.1', port: 0 })
  let open = 0
  function* serve(stream: Stream): Op<void> {
    open++
    try {
      yield* one(stream)
    } catch (error) {
      if (!(error instanceof lev.ClosedError)) throw error
    } finally {
      open--
      stream.close()
    }
  }
  try {
    return yield* lev.scope(function* (scope) {
      scope.background(function* () {
        for (let stream = yield* listener.accept(); stream !== null; stream = yield* listener.accept()) {
          const accepted = stream
          scope.background(() => serve(accepted))
        }
      })
      return yield* story(listener.address.port, () => open)
    })
  } finally {
    listener.close()
  }
}
