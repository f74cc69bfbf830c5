import t from 'tap'
import { MessagePace } from '../../../lib/websocket/message-pace.js'

t.test('a whole burst may be received at once, and the next message after one interval', async (t) => {
  for (const now of [0, 0.1, 12.345, 1000.1, 54321.987]) {
    for (const rate of [1, 3, 7, 10, 30, 100, 99_999]) {
      for (const burst of [1, 2, 3, 10, 50, 10_000]) {
        const pace = new MessagePace({ rate, per: 1, burst })
        const early = Array.from({ length: burst }, () => pace.next(now)).filter((from) => from > now)
        if (early.length > 0) t.fail(`${early.length} of the burst are early`, { now, rate, burst })
        const wait = pace.next(now) - now
        if (Math.abs(wait - 1 / rate) > 1e-9) t.fail(`the next one waits ${wait} s`, { now, rate, burst })
      }
    }
  }
  t.pass('at every time, with every rate and burst')
})
