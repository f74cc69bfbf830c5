import { sleep, type Op } from '../../lev/index.js'
import { observe } from '../observe/index.js'
import type { WorkersRules } from './options.js'

/** How often the memory of a worker is looked at, in seconds. */
export const memorySeconds = 5

/** Calls `worn` once this process has used up what a rule allows, until it is cancelled. */
export function* watchWear({ memory, requests }: Pick<WorkersRules, 'memory' | 'requests'>, worn: (reason: string) => void): Op<void> {
  const forget = requests === null ? () => {} : countRequests(requests, worn)
  try {
    for (;;) {
      yield* sleep(memory === null ? Infinity : memorySeconds)
      if (memory !== null && process.memoryUsage.rss() > memory) worn('memory')
    }
  } finally {
    forget()
  }
}

function countRequests(most: number, worn: (reason: string) => void): () => void {
  let count = 0
  return observe('leveret:request:end', () => {
    if (++count === most) worn('requests')
  })
}
