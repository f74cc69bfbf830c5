import { now, scope, listen, run, type Op, type RunOptions, type Stream } from '../../lev/index.js'
import { handshake, type Identities, type TlsFacts } from '../../tls/index.js'

export interface Served {
  /** What the handshakes agreed on, in their order. */
  readonly facts: TlsFacts[]
  readonly errors: unknown[]
}

/** Responds to each connection with the identity and the name that its handshake agreed on; `main` is its client. */
export function serving<T>(
  identities: Identities,
  main: (port: number, served: Served) => Op<T>,
  options?: RunOptions,
): Promise<T> {
  return run(function* () {
    const listener = yield* listen({ ip: '127.0.0.1', port: 0 })
    return yield* scope(function* (tasks) {
      const served: Served = { facts: [], errors: [] }
      tasks.spawn(function* () {
        for (let stream = yield* listener.accept(); stream !== null; stream = yield* listener.accept()) {
          const accepted = stream
          tasks.spawn(() => serve(accepted, identities, served))
        }
      })
      const result = yield* main(listener.address.port, served)
      listener.close()
      return result
    })
  }, options)
}

function* serve(stream: Stream, identities: Identities, served: Served): Op<void> {
  try {
    stream.readDeadline = now() + 10
    const { facts } = yield* handshake(stream, identities)
    served.facts.push(facts)
    yield* stream.write(`${facts.identity} ${String(facts.server_name)}\n`)
    yield* stream.linger(1, 1 << 20)
  } catch (error) {
    served.errors.push(error)
  } finally {
    stream.close()
  }
}
