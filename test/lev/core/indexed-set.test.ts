import t from 'tap'
import fc from 'fast-check'
import { IndexedSet, type Indexed } from '../../../lev/core/indexed-set.js'

t.test('an IndexedSet is a set', async (t) => {
  const members = Array.from({ length: 8 }, (_, name): Indexed & { name: number } => ({ name, index: -1 }))
  const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(members.length - 1)), { maxLength: 60 })
  fc.assert(fc.property(steps, (changes) => {
    const set = new IndexedSet<Indexed & { name: number }>()
    const model = new Set<number>()
    for (const member of members) member.index = -1
    for (const [add, name] of changes) {
      if (add) set.add(members[name])
      else set.delete(members[name])
      if (add) model.add(name)
      else model.delete(name)
      const names = Array.from(set, (member) => member.name).sort()
      if (set.size !== model.size || names.join() !== [...model].sort().join()) return false
    }
    return members.every(({ name, index }) => (index >= 0) === model.has(name))
  }))
  t.pass('every sequence of changes')
})

t.test('members may go while they are walked through', async (t) => {
  const set = new IndexedSet<Indexed>()
  const members = Array.from({ length: 5 }, (): Indexed => ({ index: -1 }))
  for (const member of members) set.add(member)
  const seen: Indexed[] = []
  for (const member of set) {
    seen.push(member)
    for (const each of members) set.delete(each)
  }
  t.equal(seen.length, 5)
  t.equal(set.size, 0)
})
