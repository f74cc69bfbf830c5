/**
 * Calls a function at a given time. The owner (a stream's deadline, a sleep) creates it once and sets it as often as
 * needed; no timer is created per request.
 */
export class Timer {
  readonly fire: () => void
  /** Whether it keeps the process alive until it is due. */
  readonly keeps: boolean
  /** When it is due, in the loop's seconds; Infinity if it is not set. */
  deadline = Infinity
  /** How many calls of `set` came before its own: of timers due at the same time, the one set first fires first. */
  order = 0
  /** Its position in the heap (-1 if it is not there), and its time and order there. Maintained by `Timers`. */
  index = -1
  at = Infinity
  atOrder = 0

  constructor(fire: () => void, keeps = true) {
    this.fire = fire
    this.keeps = keeps
  }
}

/**
 * The timers of one loop: a binary heap, ordered by the time at which each timer must be checked.
 *
 * Postponing or removing a deadline leaves the heap as it is: the timer is checked when its old time comes and then moved
 * to its new position. A connection moves its deadline several times a request, nearly always to a later time than the one
 * in the heap, so this costs two stores where a coarse timer wheel would relink, and the times are exact.
 */
export class Timers {
  readonly #heap: Timer[] = []
  #sets = 0
  /** Number of timers that keep the process alive. */
  #keeping = 0
  readonly #changed: () => void

  /** @param changed called when `next` may have become earlier, or `keeps` has changed */
  constructor(changed: () => void = () => {}) {
    this.#changed = changed
  }

  /** Whether any timer keeps the process alive. */
  get keeps(): boolean {
    return this.#keeping > 0
  }

  /** The time of the next check, or Infinity. May be earlier than the next deadline, never later. */
  get next(): number {
    return this.#heap.length === 0 ? Infinity : this.#heap[0].at
  }

  /**
   * Sets or moves a timer; Infinity removes its deadline.
   * @throws RangeError for NaN, which would break the order of the heap
   */
  set(timer: Timer, deadline: number): void {
    if (Number.isNaN(deadline)) throw new RangeError('a deadline must be a number, got NaN')
    timer.deadline = deadline
    timer.order = this.#sets++
    let keeps = false
    if (timer.index === -1) {
      if (deadline === Infinity) return
      this.#heap.push(timer)
      keeps = timer.keeps && this.#keeping++ === 0
      timer.index = this.#heap.length - 1
    } else if (deadline >= timer.at) return
    timer.at = deadline
    timer.atOrder = timer.order
    this.#up(timer, timer.index)
    if (keeps || timer.index === 0) this.#changed()
  }

  /** Removes a timer from the heap at once, so that nothing here refers to it any more. */
  remove(timer: Timer): void {
    timer.deadline = Infinity
    const index = timer.index
    if (index === -1) return
    timer.index = -1
    const last = this.#heap.pop()
    if (last !== undefined && last !== timer) {
      this.#up(last, index)
      this.#down(last, last.index)
    }
    if (timer.keeps && --this.#keeping === 0) this.#changed()
  }

  /** Fires every timer that is due at `now`. A timer fires once, at its latest deadline. */
  fire(now: number): void {
    while (this.#heap.length > 0 && this.#heap[0].at <= now) {
      const timer = this.#heap[0]
      if (timer.deadline === Infinity) this.remove(timer)
      else if (timer.atOrder === timer.order) {
        this.remove(timer)
        timer.fire()
      } else {
        // It was postponed: move it to its new position.
        timer.at = timer.deadline
        timer.atOrder = timer.order
        this.#down(timer, 0)
      }
    }
  }

  #up(timer: Timer, index: number): void {
    const heap = this.#heap
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(timer, heap[parent])) break
      this.#place(heap[parent], index)
      index = parent
    }
    this.#place(timer, index)
  }

  #down(timer: Timer, index: number): void {
    const heap = this.#heap
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child++
      if (!isBefore(heap[child], timer)) break
      this.#place(heap[child], index)
      index = child
    }
    this.#place(timer, index)
  }

  #place(timer: Timer, index: number): void {
    this.#heap[index] = timer
    timer.index = index
  }
}

function isBefore(one: Timer, other: Timer): boolean {
  return one.at < other.at || (one.at === other.at && one.atOrder < other.atOrder)
}
