// Run by inherited.test.ts in a process of its own: serves one connection of the listening socket that it has inherited.
import * as lev from '../../../../lev/index.js'

console.log(await lev.run(function* () {
  const listener = yield* lev.listen({ fd: 3 })
  console.log('ready')
  const stream = yield* listener.accept()
  if (stream === null) throw new Error('the listener was closed')
  yield* stream.write(`got ${String(yield* stream.read())}`)
  yield* stream.end()
  const { local, remote } = stream
  listener.close()
  return JSON.stringify({ bound: listener.address, local, remote })
}))
