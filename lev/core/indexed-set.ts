/** A member of an IndexedSet; it can be in only one at a time. */
export interface Indexed {
  /** Its position in the set, -1 if it is in none. Maintained by the set. */
  index: number
}

/**
 * An unordered set that lives long while its members come and go in large numbers: open connections, tasks.
 *
 * The built-in Set allocates a new table whenever as many members have gone as the table holds, and each table points to its
 * successor. A dead table in the old generation then keeps the members of all later tables alive until the next full garbage
 * collection, which cost half of the CPU time of a connection that serves one request.
 */
export class IndexedSet<M extends Indexed> {
  readonly #members: M[] = []

  get size(): number {
    return this.#members.length
  }

  /** Does nothing if `member` is in the set already. */
  add(member: M): void {
    if (member.index < 0) member.index = this.#members.push(member) - 1
  }

  /** Does nothing if `member` is not in the set. */
  delete(member: M): void {
    const { index } = member
    if (index < 0) return
    member.index = -1
    const last = this.#members.pop()
    if (last === undefined || last === member) return
    this.#members[index] = last
    last.index = index
  }

  /** Iterates over a copy, so the set may change meanwhile. */
  [Symbol.iterator](): IterableIterator<M> {
    return this.#members.slice().values()
  }
}
