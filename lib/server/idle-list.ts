/** A member of an idle list, of at most one at a time. */
export interface IdleMember<M> {
  /** Neighbours in the list, maintained by it; null at its ends, and outside a list. */
  older: M | null
  newer: M | null
}

/** Idle connections in the order in which they became idle; adding and deleting take constant time. */
export class IdleList<M extends IdleMember<M>> {
  #oldest: M | null = null
  #newest: M | null = null

  get oldest(): M | null {
    return this.#oldest
  }

  /** Adds a member as the newest. One that is in the list keeps its place. */
  add(member: M): void {
    if (this.#has(member)) return
    member.older = this.#newest
    if (this.#newest === null) this.#oldest = member
    else this.#newest.newer = member
    this.#newest = member
  }

  /** Does nothing if the member is not in the list. */
  delete(member: M): void {
    if (!this.#has(member)) return
    const { older, newer } = member
    if (older === null) this.#oldest = newer
    else older.newer = newer
    if (newer === null) this.#newest = older
    else newer.older = older
    member.older = null
    member.newer = null
  }

  /** Puts `successor`, which is not in the list, in the place of `member`. Does nothing if `member` is not in the list. */
  replace(member: M, successor: M): void {
    if (!this.#has(member)) return
    const { older, newer } = member
    successor.older = older
    successor.newer = newer
    if (older === null) this.#oldest = successor
    else older.newer = successor
    if (newer === null) this.#newest = successor
    else newer.older = successor
    member.older = null
    member.newer = null
  }

  #has(member: M): boolean {
    return member.older !== null || this.#oldest === member
  }
}
