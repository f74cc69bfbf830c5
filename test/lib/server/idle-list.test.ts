import fc from 'fast-check'
import t from 'tap'
import { IdleList, type IdleMember } from '../../../lib/server/idle-list.js'

class Named implements IdleMember<Named> {
  older: Named | null = null
  newer: Named | null = null
  readonly name: number

  constructor(name: number) {
    this.name = name
  }
}

/** The members from the oldest on; fails where the way back is another. */
function names(list: IdleList<Named>): number[] {
  const found: number[] = []
  let last: Named | null = null
  for (let member = list.oldest; member !== null; member = member.newer) {
    if (member.older !== last) throw new Error('the way back is another')
    last = member
    found.push(member.name)
  }
  return found
}

t.test('a list in the order of going in, whatever goes out of it, or takes the place of another', async (t) => {
  const act = fc.record({ what: fc.constantFrom('add', 'delete', 'replace'), at: fc.nat(9) })
  fc.assert(fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
    const list = new IdleList<Named>()
    const members = Array.from({ length: 10 }, (_, name) => new Named(name))
    let model: number[] = []
    let name = 10
    for (const { what, at } of acts) {
      const member = members[at]
      const isIn = model.includes(member.name)
      if (what === 'add') {
        list.add(member)
        if (!isIn) model.push(member.name)
      } else if (what === 'delete') {
        list.delete(member)
        model = model.filter((other) => other !== member.name)
      } else {
        const successor = new Named(name++)
        list.replace(member, successor)
        model = model.map((other) => (other === member.name ? successor.name : other))
        if (isIn) members[at] = successor
      }
      if (JSON.stringify(names(list)) !== JSON.stringify(model)) throw new Error(`${names(list)} instead of ${model}`)
    }
  }))
  t.pass()
})
