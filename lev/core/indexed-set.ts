/** A member of an IndexedSet: of one at a time. */
export interface Indexed {
  /** Where it stands in its set; -1: in none. Kept by the set. */
  index: number
}

/**
 * A set, in no order, for members that come and go in great numbers while it stays: open connections, tasks.
 *
 * The language's own Set is made anew whenever as many members have gone as it has room for, and each table points to its
 * successor. One table that has become old, and dead, then keeps all that were in any after it alive until the next full
 * garbage collection: half of the CPU time of a connection that serves one request.
 */
export class IndexedSet<M extends Indexed> {
  readonly #members: M[] = []

  get size(): number {
    return this.#members.length
  }

  /** Harmless when it is in already. */
  add(member: M): void {
    if (member.index < 0) member.index = this.#members.push(member) - 1
  }

  /** Harmless when it is not in. */
  delete(member: M): void {
    const { index } = member
    if (index < 0) return
    member.index = -1
    const last = this.#members.pop()
    if (last === undefined || last === member) return
    this.#members[index] = last
    last.index = index
  }

  /** The members as they are now: changes of the set meanwhile do not matter. */
  [Symbol.iterator](): IterableIterator<M> {
    return this.#members.slice().values()
  }
}
