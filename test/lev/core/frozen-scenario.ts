// Run by unwind.test.ts in a process of its own, with the built-in objects frozen: prints the steps of a cancelled task.
import * as lev from '../../../lev/index.js'

Object.freeze(Object.getPrototypeOf(Object.getPrototypeOf((function* () {})())))

await lev.run(function* () {
  const task = lev.spawn(function* () {
    try {
      yield* inner()
    } finally {
      console.log('outer')
    }
  })
  yield* lev.yieldNow()
  task.cancel()
  yield* task.done()
  console.log(task.outcome?.kind)
})

function* inner(): lev.Op<void> {
  try {
    yield* lev.sleep(100)
  } catch {
    console.log('caught')
  } finally {
    console.log('inner')
  }
}
