import t from 'tap'
import { streamTests } from '../../../testing/stream-tests.js'
import { runAll, streamKinds } from './stream-kinds.js'

for (const kind of streamKinds) {
  t.test(`a stream: ${kind.name}`, async (t) => {
    runAll(t, streamTests(kind))
  })
}
