import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { ConnectionSet, type OpenConnection } from '../../../lib/server/connection-set.js'
import { Peer } from '../../../lib/server/peer.js'
import { Signal } from '../../../lib/signal.js'

class Member implements OpenConnection {
  index = -1
  older: OpenConnection | null = null
  newer: OpenConnection | null = null
  readonly peer = new Peer('192.0.2.1', 50000)
  readonly atWork: boolean
  drained = 0
  readonly #set: ConnectionSet

  constructor(set: ConnectionSet, atWork: boolean) {
    this.#set = set
    this.atWork = atWork
  }

  drain(): void {
    this.drained++
  }

  close(): void {
    this.#set.delete(this)
  }
}

t.test('the open connections and the idle ones, as in two arrays', async (t) => {
  const act = fc.record({
    what: fc.constantFrom('add', 'delete', 'beginIdle', 'endIdle', 'replace', 'closeOldestIdle'), at: fc.nat(5), atWork: fc.boolean(),
  })
  fc.assert(fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
    const set = new ConnectionSet(new Signal())
    const members = Array.from({ length: 6 }, (_, k) => new Member(set, k % 3 === 0))
    let open: Member[] = []
    let idle: Member[] = []
    const without = (gone: Member | undefined): void => {
      open = open.filter((one) => one !== gone)
      idle = idle.filter((one) => one !== gone)
    }
    for (const { what, at, atWork } of acts) {
      const member = members[at]
      const isOpen = open.includes(member)
      if (what === 'add') {
        if (isOpen) continue
        set.add(member)
        open.push(member)
      } else if (what === 'delete') {
        set.delete(member)
        without(member)
      } else if (what === 'beginIdle') {
        set.beginIdle(member)
        if (isOpen && !idle.includes(member)) idle.push(member)
      } else if (what === 'endIdle') {
        set.endIdle(member)
        idle = idle.filter((one) => one !== member)
      } else if (what === 'replace') {
        if (!isOpen) continue
        const successor = members[at] = new Member(set, atWork)
        set.replace(member, successor)
        open = open.map((one) => (one === member ? successor : one))
        idle = idle.map((one) => (one === member ? successor : one))
      } else {
        const oldest = idle.find((one) => !one.atWork)
        assert.equal(set.closeOldestIdle(), oldest !== undefined)
        without(oldest)
      }
      assert.equal(set.size, open.length)
      assert.equal(set.hasIdle, idle.length > 0)
      assert.deepEqual(members.filter((one) => one.index >= 0), members.filter((one) => open.includes(one)))
    }
    set.drain()
    assert.deepEqual(members.map(({ drained }) => drained), members.map((one) => (open.includes(one) ? 1 : 0)))
    set.close()
    assert.deepEqual([set.size, set.hasIdle], [0, false])
  }))
  t.pass('all agree')
})
