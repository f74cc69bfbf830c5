// Work that ends when its client has gone. Then, in another terminal:
//   curl http://127.0.0.1:8080/                  # both upstreams, at the same time
//   curl http://127.0.0.1:8080/late              # one is too slow: 504 after a second
//   curl --max-time 0.3 http://127.0.0.1:8080/   # the client leaves: look at the server's terminal
import * as server from 'leveret'
import * as lev from 'leveret/lev'

/** Stands for a call to another service. `finally` runs however it ends. */
function* upstream(name: string, seconds: number): lev.Op<string> {
  let state = 'cancelled'
  try {
    yield* lev.sleep(seconds)
    state = 'done'
    return `${name} after ${seconds} s`
  } finally {
    console.log(`${name}: ${state}`)
  }
}

/** Asks both at once. The scope ends when both have ended; if one fails, or the scope is cancelled, so is the other. */
function* both(slowest: number): lev.Op<string> {
  return yield* lev.scope(function* (scope) {
    const stock = scope.spawn(() => upstream('stock', 0.2))
    const price = scope.spawn(() => upstream('price', slowest))
    return `${yield* stock.join()}, ${yield* price.join()}\n`
  })
}

const service = server.new({ port: 8080, handle_signals: true, log_level: 'warn' }, function* (_method, query) {
  try {
    return yield* lev.timeout(1, both(query === '/late' ? 5 : 0.5))
  } catch (error) {
    if (error instanceof lev.TimeoutError) return ['an upstream took too long\n', 504]
    throw error
  }
})

await service.serve()
