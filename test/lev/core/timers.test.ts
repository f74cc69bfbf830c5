import fc from 'fast-check'
import t from 'tap'
import { Timer, Timers } from '../../../lev/core/timers.js'

type Act = { readonly kind: 'set'; readonly which: number; readonly at: number }
  | { readonly kind: 'remove'; readonly which: number }
  | { readonly kind: 'fire'; readonly step: number }

const acts = fc.array(fc.oneof<fc.MaybeWeightedArbitrary<Act>[]>(
  { weight: 5, arbitrary: fc.record({
    kind: fc.constant('set' as const), which: fc.nat(11),
    at: fc.oneof({ weight: 6, arbitrary: fc.nat(40) }, fc.constant(Infinity)),
  }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), which: fc.nat(11) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('fire' as const), step: fc.nat(12) }) },
), { maxLength: 120 })

t.test('timers behave as a sorted list does', async (t) => {
  fc.assert(fc.property(acts, (acts) => {
    const told = { at: Infinity, keeps: false }
    const tell = (): void => void Object.assign(told, { at: timers.next, keeps: timers.keeps })
    const timers: Timers = new Timers(tell)
    const fired: number[] = []
    // Every third keeps no process.
    const all = Array.from({ length: 12 }, (_, index) => new Timer(() => fired.push(index), index % 3 > 0))
    /** What is set: timer, deadline, and how many were set before. */
    let model: { which: number; at: number; order: number }[] = []
    let now = 0
    for (const [order, act] of acts.entries()) {
      if (act.kind === 'fire') {
        now += act.step
        timers.fire(now)
        tell()
        const due = model.filter(({ at }) => at <= now).sort((a, b) => a.at - b.at || a.order - b.order)
        t.same(fired.splice(0), due.map(({ which }) => which), `at ${now}`)
        model = model.filter(({ at }) => at > now)
      } else {
        model = model.filter(({ which }) => which !== act.which)
        const timer = all[act.which] ?? new Timer(() => {})
        if (act.kind === 'remove') timers.remove(timer)
        else {
          timers.set(timer, act.at)
          if (act.at !== Infinity) model.push({ which: act.which, at: act.at, order })
        }
      }
      const earliest = Math.min(...model.map(({ at }) => at))
      if (timers.next > earliest) t.fail(`${timers.next} is later than ${earliest}`)
      if (told.at > timers.next || told.keeps !== timers.keeps) t.fail(`told of ${told.at} where the next is at ${timers.next}`)
      for (const [which, timer] of all.entries()) {
        t.ok(timer.deadline === (model.find((entry) => entry.which === which)?.at ?? Infinity))
      }
    }
    for (const timer of all) timers.remove(timer)
    if (timers.next !== Infinity) t.fail('something was left behind')
  }), { numRuns: 300 })
})

t.test('a timer that sets others, or itself, while it fires', async (t) => {
  const timers = new Timers()
  const fired: string[] = []
  const late = new Timer(() => fired.push('late'))
  const removed = new Timer(() => fired.push('removed'))
  let rounds = 0
  const again: Timer = new Timer(() => {
    fired.push(`again ${rounds}`)
    timers.remove(removed)
    timers.set(late, 5)
    if (rounds++ < 2) timers.set(again, rounds)
  })
  timers.set(again, 0)
  timers.set(removed, 1)
  timers.fire(1)
  t.same(fired, ['again 0', 'again 1'])
  timers.fire(10)
  t.same(fired, ['again 0', 'again 1', 'again 2', 'late'])
  t.equal(timers.next, Infinity)
})

t.test('a deadline that is no number is refused', async (t) => {
  const timers = new Timers()
  t.throws(() => timers.set(new Timer(() => {}), NaN), { name: 'RangeError' })
  t.equal(timers.next, Infinity)
})
