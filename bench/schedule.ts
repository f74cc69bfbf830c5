/** Seconds that an open loop waits for responses after its last request. */
export const lasting = 2

/**
 * The times at which requests come, in seconds: at random as those of many clients that know nothing of each other, `rate` a
 * second on average (a Poisson process). Infinity from `end` on.
 *
 * @param random gives numbers from 0 to 1
 */
export function arrivals(rate: number, end: number, random: () => number): () => number {
  let time = 0
  return () => {
    time -= Math.log(1 - random()) / rate
    return time < end ? time : Infinity
  }
}
