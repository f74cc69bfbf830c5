import { createServer, type Server } from 'node:net'
import { receiveMessageOnPort, workerData } from 'node:worker_threads'
import type { ListenOptions } from '../driver.js'
import { addressOf, faultOf, listenError, systemOptions } from './listen-options.js'
import type { HoldReply, HoldRequest, HoldThreadData } from './socket-holder.js'

// The thread of a SocketHolder. It binds sockets, and must not accept: it never returns to its event loop, which would do so. It
// waits for requests by blocking, and binding is complete before the loop's next turn.

const { port, bell, done } = workerData as HoldThreadData
/** The sockets that are bound, with their descriptors. */
const held = new Map<number, { readonly server: Server; readonly fd: number }>()

for (;;) {
  Atomics.wait(bell, 0, 0)
  Atomics.store(bell, 0, 0)
  for (let next = received(); next !== null; next = received()) {
    const { id, where } = next
    if (where === null) release(id)
    else port.postMessage(await bound(id, where))
    Atomics.add(done, 0, 1)
    Atomics.notify(done, 0)
  }
}

function received(): HoldRequest | null {
  const found = receiveMessageOnPort(port) as { readonly message: HoldRequest } | undefined
  return found?.message ?? null
}

/** Its descriptor may soon be that of another socket. */
function release(id: number): void {
  held.get(id)?.server.close()
  held.delete(id)
}

/** Binds `where`, which needs no look-up of a name. The promise is settled by a tick of this turn of the loop. */
async function bound(id: number, where: ListenOptions): Promise<HoldReply> {
  try {
    const fault = faultOf(where)
    if (fault !== null) throw new Error(fault)
    const server = createServer()
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(listenError(where, error)))
      server.listen(systemOptions(where), resolve)
    })
    try {
      const fd = where.fd ?? newDescriptor()
      held.set(id, { server, fd })
      return { id, socket: { address: addressOf(server.address()), fd }, error: null }
    } catch (error) {
      server.close()
      throw error
    }
  } catch (error) {
    // The clone of an error that arrives at the other end has no other members.
    const { message, code, errno } = error as NodeJS.ErrnoException
    return { id, socket: null, error: { message, code, errno } }
  }
}

/** The descriptor of the socket that was bound last. Node tells it in its report of this thread's handles alone. */
function newDescriptor(): number {
  const report = process.report as typeof process.report & { excludeNetwork?: boolean }
  // No look-up of names for addresses.
  report.excludeNetwork = true
  const { libuv } = report.getReport() as { readonly libuv: readonly { readonly type: string; readonly fd?: number }[] }
  const known = new Set(Array.from(held.values(), ({ fd }) => fd))
  for (const { type, fd } of libuv) {
    if (fd !== undefined && fd >= 0 && (type === 'tcp' || type === 'pipe') && !known.has(fd)) return fd
  }
  throw new Error('the descriptor of the socket is unknown')
}
