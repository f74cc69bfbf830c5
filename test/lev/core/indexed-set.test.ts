import t from 'tap'
import fc from 'fast-check'
import { Roster, type Member } from '../../../lev/core/indexed-set.js'

t.test('a roster is a set', async (t) => {
  const members = Array.from({ length: 8 }, (_, name): Member & { name: number } => ({ name, place: -1 }))
  const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(members.length - 1)), { maxLength: 60 })
  fc.assert(fc.property(steps, (changes) => {
    const roster = new Roster<Member & { name: number }>()
    const model = new Set<number>()
    for (const member of members) member.place = -1
    for (const [add, name] of changes) {
      if (add) roster.add(members[name])
      else roster.delete(members[name])
      if (add) model.add(name)
      else model.delete(name)
      const names = Array.from(roster, (member) => member.name).sort()
      if (roster.size !== model.size || names.join() !== [...model].sort().join()) return false
    }
    return members.every(({ name, place }) => (place >= 0) === model.has(name))
  }))
  t.pass('every sequence of changes')
})

t.test('members may go while they are walked through', async (t) => {
  const roster = new Roster<Member>()
  const members = Array.from({ length: 5 }, (): Member => ({ place: -1 }))
  for (const member of members) roster.add(member)
  const seen: Member[] = []
  for (const member of roster) {
    seen.push(member)
    for (const each of members) roster.delete(each)
  }
  t.equal(seen.length, 5)
  t.equal(roster.size, 0)
})
