/** What can be in an idle list: in one at a time. */
export interface IdleMember<M> {
  /** Its neighbours there, kept by the list; null at its ends, and outside of it. */
  older: M | null
  newer: M | null
}

/** Idle connections in the order of since when: to go in or out takes the same time, however many there are. */
export class IdleList<M extends IdleMember<M>> {
  #oldest: M | null = null
  #newest: M | null = null

  get oldest(): M | null {
    return this.#oldest
  }

  /** Puts a member at the end, as the newest. One that is in already stays where it is. */
  add(member: M): void {
    if (this.#has(member)) return
    member.older = this.#newest
    if (this.#newest === null) this.#oldest = member
    else this.#newest.newer = member
    this.#newest = member
  }

  /** Harmless when it is not in. */
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

  /** Puts `successor`, which is not in, in the place of `member`. Harmless when that is not in. */
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
