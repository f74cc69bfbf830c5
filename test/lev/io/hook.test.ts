import t from 'tap'
import * as lev from '../../../lev/index.js'
import { Hook } from '../../../lev/io/hook.js'

t.test('a hook holds one function: a second is an error, and detaching removes only its own', (t) => {
  const hook = new Hook<() => void>('stream.onSome')
  const [first, second] = [() => {}, () => {}]
  hook.attach(first)
  t.throws(() => hook.attach(second), { code: 'LEV_USAGE', message: /^stream\.onSome is taken/ })
  t.throws(() => hook.attach(first), { code: 'LEV_USAGE' }, 'also for the same function: its user would detach it twice')
  hook.detach(second)
  hook.detach(null)
  t.equal(hook.attached, first)
  hook.detach(first)
  hook.detach(first)
  t.equal(hook.attached, null)
  hook.attach(second)
  t.equal(hook.attached, second)
  t.end()
})

t.test('each hook of a stream is its own, and names itself', async (t) => {
  await lev.run(function* () {
    const [stream, other] = lev.pipe()
    for (const name of ['onGone', 'onPut', 'tap', 'beforeSend'] as const) {
      const call = (): number => 0
      stream[name].attach(call)
      t.throws(() => stream[name].attach(call), { code: 'LEV_USAGE', message: new RegExp(`^stream\\.${name} is taken`) })
      t.equal(other[name].attached, null)
      stream[name].detach(call)
    }
    stream.close()
    other.close()
  }, { driver: lev.memory() })
})

t.test('an assignment in place of `attach`, as programs for 0.1.0 have it, is an error where it is made', async (t) => {
  await lev.run(function* () {
    const [stream, other] = lev.pipe()
    t.throws(() => Object.assign(stream, { onGone: () => {} }), { name: 'TypeError', message: /onGone/ })
    t.type(stream.onGone, Hook)
    stream.close()
    other.close()
  }, { driver: lev.memory() })
})
