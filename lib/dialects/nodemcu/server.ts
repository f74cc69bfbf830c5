import { semaphore, wait, type Address, type Op, type Semaphore } from '../../../lev/index.js'
import { perWorld } from '../../../lev/internal.js'
import { ArgumentError, StateError } from '../../errors.js'
import { Server as Core } from '../../server/server.js'
import type { Server } from './types.js'
import { started } from '../shared/serving.js'
import { waiting, type Waiting } from '../../waiting.js'

/** A server that holds a port. */
interface Holder {
  readonly core: Core
  /** Closes the server; the port is free soon after. */
  close(): unknown
}

/** The servers that hold ports of one world; `turns` lets one at a time change that. */
interface Ports {
  readonly turns: Semaphore
  readonly holders: Map<number, Holder>
}

/** The ports of the running task's world. */
const portsHere = perWorld<Ports>('createServer', () => ({ turns: semaphore(1), holders: new Map<number, Holder>() }))

/** Binds a port for a server, closing the one that held it, and returns the address. @throws BindError */
function* take(port: number, holder: Holder): Op<{ address: Address; ports: Ports }> {
  const ports = portsHere()
  return yield* ports.turns.with(taken())

  function* taken(): Op<{ address: Address; ports: Ports }> {
    const before = ports.holders.get(port)
    if (before !== undefined) {
      before.close()
      yield* wait(Core.unbound(before.core))
    }
    const address = yield* started(holder.core)
    ports.holders.set(address.port, holder)
    return { address, ports }
  }
}

/**
 * Starts a server and returns it once the port is bound. A server that held the port before is closed.
 * @param make creates the core's server; null stands for the address in the settings
 * @throws what `make` throws, at once; BindError
 */
export function listening(make: (port: number, ip: string | null) => Core, port: number): Waiting<Server> {
  let held: Holder | null = null
  let address: Address | null = null
  let release = (): void => {}
  let stopped = Promise.resolve()

  function close(): Promise<void> {
    if (held === null) return stopped
    stopped = held.core.stop()
    // Only a caller that waits for `close` gets the error.
    stopped.catch(() => {})
    held = null
    address = null
    release()
    return stopped
  }

  /** Makes `core` the server that listens, or is about to. */
  function claim(core: Core): Holder {
    return (held = { core, close })
  }

  function* open(holder: Holder, at: number): Op<void> {
    try {
      if (held !== holder) throw closedBefore()
      const got = yield* take(at, holder)
      release = () => {
        if (got.ports.holders.get(got.address.port) === holder) got.ports.holders.delete(got.address.port)
      }
      if (held === holder) address = got.address
      else {
        release()
        void holder.core.stop()
        throw closedBefore()
      }
    } finally {
      if (address === null && held === holder) held = null
    }
  }

  const first = claim(make(port, null))
  const server: Server = {
    close() {
      const over = close()
      return waiting(() => wait(over))
    },
    getaddr: () => (address === null ? [null, null] : [address.port, address.ip]),
    listen(port, ip, ...rest: unknown[]) {
      if ([port, ip, ...rest].some((given) => typeof given === 'function')) {
        throw new ArgumentError('callback', 'listen: there is no callback: requests go to the handler that createServer was given')
      }
      if (held !== null) throw new StateError('listen: the server is listening already')
      const again = claim(make(port ?? 0, ip ?? null))
      return waiting(() => open(again, port ?? 0))
    },
    on() {
      throw new StateError('on: only servers for UDP have events')
    },
  }
  return waiting(function* () {
    yield* open(first, port)
    return server
  })
}

function closedBefore(): StateError {
  return new StateError('the server was closed before it listened')
}
