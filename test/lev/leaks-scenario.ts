// Run by leaks.test.ts in a process of its own: prints what is still open after each run.
import * as lev from '../../lev/index.js'
import type { Op } from '../../lev/index.js'
import { failure } from '../../testing/virtual.js'
import { clientSecurity, serverSecurity } from './io/stream-kinds.js'
import { connectedPair, readAll } from '../../testing/streams.js'
import { keepingAlive } from '../support/memory.js'

const scenarios: Record<string, () => Op<unknown>> = {
  * quiet() {
    yield* lev.sleep(0.001)
  },
  * timers() {
    const tasks = [lev.spawn(() => lev.sleep(3600)), lev.spawn(() => lev.timeout(3600, lev.sleep(7200)))]
    yield* lev.sleep(0.001)
    for (const task of tasks) task.cancel()
  },
  * streams() {
    const [near, far] = yield* connectedPair()
    near.readDeadline = far.readDeadline = lev.now() + 3600
    near.stallTimeout = 3600
    yield* near.write('x'.repeat(100_000))
    lev.spawn(() => near.end())
    yield* readAll(far)
    far.close()
    near.close()
  },
  * 'listener, connection and timers left open'() {
    const listener = yield* lev.listen({ ip: '127.0.0.1', port: 0 })
    const near = yield* lev.connect(listener.address)
    const far = yield* listener.accept()
    near.readDeadline = lev.now() + 3600
    near.stallTimeout = 3600
    near.put(Buffer.alloc(50_000_000))
    yield* lev.sleep(0.001)
    yield* far?.read() ?? lev.sleep(0)
    yield* lev.connect(listener.address)
    yield* lev.sleep(0.002)
  },
  * 'TLS left open'() {
    const [near, far] = yield* connectedPair()
    const shaking = lev.spawn(() => far.secure(serverSecurity))
    yield* near.secure(clientSecurity)
    yield* shaking.join()
  },
  * 'abandoned attempts'() {
    const listener = yield* lev.listen({ ip: '127.0.0.1', port: 0 })
    for (const start of [() => listener.accept(), () => lev.connect(listener.address), () => lev.listen({ ip: '127.0.0.1', port: 0 })]) {
      const task = lev.spawn<unknown>(start)
      lev.spawn(function* () {
        task.cancel()
      })
      yield* failure(task.join())
    }
    listener.close()
  },
  * 'a main task that fails'() {
    yield* lev.listen({ ip: '127.0.0.1', port: 0 })
    yield* connectedPair()
    throw new Error('failed')
  },
}

for (const [name, main] of Object.entries(scenarios)) {
  await lev.run(main).catch(() => {})
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
  console.log(`${name}: ${keepingAlive().join(' ')}`)
}
