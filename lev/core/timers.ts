/**
 * Something that is to happen at a time. A timer is made once by what needs it (a stream's deadline, a sleep) and set
 * as often as needed; no timer is made per request.
 */
export class Timer {
  readonly fire: () => void
  /** Whether the process is to live until it is due. */
  readonly keeps: boolean
  /** When it is due, in the loop's seconds; Infinity: not set. */
  deadline = Infinity
  /** How many were set before it: of several that are due at one time, the one that was set first is first. */
  order = 0
  /** Where it stands in the heap, and under which time and order; -1: it is not there. Kept by `Timers`. */
  index = -1
  at = Infinity
  atOrder = 0

  constructor(fire: () => void, keeps = true) {
    this.fire = fire
    this.keeps = keeps
  }
}

/**
 * The timers of one loop: a binary heap, ordered by the time at which a timer must be looked at.
 *
 * Moving a deadline later, or away, leaves the heap as it is: the timer is looked at when its old time comes and then
 * put where it belongs. A connection moves its deadline several times a request and nearly always later than the time it
 * stands under, so this costs two stores where a coarse wheel would relink, and the times are exact.
 */
export class Timers {
  readonly #heap: Timer[] = []
  #sets = 0
  /** How many of them keep the process. */
  #keeping = 0
  readonly #changed: () => void

  /** @param changed called when `next` has become earlier, or `keeps` has changed */
  constructor(changed: () => void = () => {}) {
    this.#changed = changed
  }

  /** Whether the process is to live until the next look. */
  get keeps(): boolean {
    return this.#keeping > 0
  }

  /** The time of the next look, or Infinity. May be earlier than the next deadline, never later. */
  get next(): number {
    return this.#heap.length === 0 ? Infinity : this.#heap[0].at
  }

  /**
   * Sets or moves a timer; Infinity takes its deadline away.
   * @throws RangeError for NaN, which would put the heap out of order
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

  /** Takes a timer out at once, so that nothing refers to it any more. */
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

  /** Fires every timer that is due at `now`. A timer fires once for each time it was set. */
  fire(now: number): void {
    while (this.#heap.length > 0 && this.#heap[0].at <= now) {
      const timer = this.#heap[0]
      if (timer.deadline === Infinity) this.remove(timer)
      else if (timer.atOrder === timer.order) {
        this.remove(timer)
        timer.fire()
      } else {
        // It was set again meanwhile: now it goes where it belongs.
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
