import { numberText, type Sample } from './exposition.js'

/** Most values of one label, so that no mistake of a program makes them without bound. More of them count as `other`. */
export const mostValues = 1000

/** The value of a label that stands for all that have none of their own. */
const other = 'other'

/** One value for each value of a label, made when it first comes. */
export class ByLabel<T> {
  readonly values = new Map<string, T>()
  readonly #make: () => T

  constructor(make: () => T) {
    this.#make = make
  }

  of(label: string): T {
    return this.values.get(label) ?? this.#add(label)
  }

  #add(label: string): T {
    if (this.values.size >= mostValues && label !== other) return this.of(other)
    const made = this.#make()
    this.values.set(label, made)
    return made
  }
}

/** A number that grows. */
export class Counter {
  value = 0
}

/** Samples of a counter for each value of a label. */
export function* countersBy(name: string, counters: ByLabel<Counter>): Generator<Sample> {
  for (const [label, { value }] of counters.values) yield ['', { [name]: label }, value]
}

/** Upper bounds of the buckets, in seconds; the last one has none. */
export const bounds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, Infinity]

/** How many durations there were up to each of the bounds, and their sum. */
export class Durations {
  readonly #buckets = bounds.map(() => 0)
  #sum = 0

  /** @param seconds the duration */
  add(seconds: number): void {
    let at = 0
    while (seconds > bounds[at]) at++
    this.#buckets[at]++
    this.#sum += seconds
  }

  * samples(labels: Readonly<Record<string, string>>): Generator<Sample> {
    let count = 0
    for (const [at, bound] of bounds.entries()) {
      count += this.#buckets[at]
      yield ['_bucket', { ...labels, le: numberText(bound) }, count]
    }
    yield ['_sum', labels, this.#sum]
    yield ['_count', labels, count]
  }
}
