/** A figure made from several rounds: the one in the middle, and how far the rounds lie apart. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** The middle one of `values`, or the mean of the two in the middle. @throws RangeError if there are none */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('no values, so no median')
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Median, least and greatest. @throws RangeError if there are no values */
export function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) }
}

/**
 * How `values` stand to `references`, round by round. Both were measured right after each other in each round, so what
 * slows the machine down for a while hits both and leaves the ratio alone.
 *
 * @throws RangeError if there are not as many of the one as of the other, or none
 */
export function ratios(values: readonly number[], references: readonly number[]): Spread {
  if (values.length !== references.length) throw new RangeError(`${values.length} values, but ${references.length} references`)
  return spread(values.map((value, round) => value / references[round]))
}

/**
 * The value that `share` (0 to 1) of the values do not exceed. Null if fewer than ten lie beyond it: then it says more
 * about chance than about what was measured. (The median needs one value.)
 *
 * @param sorted in ascending order
 */
export function percentile(sorted: Float64Array, share: number): number | null {
  const rank = Math.ceil(sorted.length * share)
  if (rank < 1 || (share > 0.5 && sorted.length - rank < 10)) return null
  return sorted[rank - 1]
}
