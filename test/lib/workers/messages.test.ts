import t from 'tap'
import { Messages } from '../../../lib/workers/messages.js'

/** Two ends; what one sends arrives at the other later, as a clone. */
function pair(): [Messages, Messages] {
  const one: Messages = new Messages((message) => queueMicrotask(() => other.receive(structuredClone(message))))
  const other: Messages = new Messages((message) => queueMicrotask(() => one.receive(structuredClone(message))))
  return [one, other]
}

t.test('questions and replies, both ways and out of order', async (t) => {
  const [one, other] = pair()
  const slow = new Map<string, (value: unknown) => void>()
  other.on('slow', (value) => new Promise((resolve) => slow.set(String(value), resolve)))
  other.on('double', (value) => Number(value) * 2)
  one.on('key', () => Buffer.from('secret'))
  const [a, b] = [one.ask('slow', 'a'), one.ask('slow', 'b')]
  t.equal(await one.ask('double', 21), 42)
  slow.get('b')?.('second')
  t.equal(await b, 'second')
  slow.get('a')?.('first')
  t.equal(await a, 'first')
  t.strictSame(Buffer.from(await other.ask('key') as Uint8Array).toString(), 'secret')
})

t.test('an error of the responder is the error of the question', async (t) => {
  const [one, other] = pair()
  other.on('fail', () => {
    throw new RangeError('no such thing')
  })
  other.on('reject', () => Promise.reject(new Error('later')))
  await t.rejects(one.ask('fail'), { message: 'no such thing' })
  await t.rejects(one.ask('reject'), { message: 'later' })
  await t.rejects(one.ask('unknown'), { message: 'nothing responds to "unknown"' })
  one.tell('fail')
})

t.test('what waits is told when the other process has ended; messages of others are left alone', async (t) => {
  const [one, other] = pair()
  other.on('never', () => new Promise(() => {}))
  const asked = one.ask('never')
  for (const message of [null, 'text', 7, { type: 'watch:import' }, { cmd: 'NODE_HANDLE' }]) one.receive(message)
  one.close()
  await t.rejects(asked, { message: 'the other process has ended' })
  await t.rejects(one.ask('never'), { message: 'the other process has ended' })
})
