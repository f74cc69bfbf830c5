import type { Timers } from '../../lev/core/timers.js'
import { Task } from '../../lev/core/task.js'
import { openResources } from './memory.js'

/** What is alive in this process: what a server must leave as it found it. */
export interface Living {
  /** Tasks that have taken a step and are not done. */
  readonly tasks: number
  readonly sockets: number
  readonly listeners: number
  /** Loops with a timer that is set. */
  readonly timers: number
  /** Of the process itself, such as those for signals: how many for each event. */
  readonly processListeners: Readonly<Record<string, number>>
}

const tasks = new Set<Task<unknown>>()
const timers = new Set<Timers>()
const { run } = Task.prototype

// Every step of every task passes here.
Task.prototype.run = function (this: Task<unknown>): void {
  tasks.add(this)
  timers.add(this.loop.timers)
  run.call(this)
}

/** Counts what is alive now. */
export function living(): Living {
  return {
    tasks: unfinishedTasks(),
    sockets: openResources('TCPSocketWrap'),
    listeners: openResources('TCPServerWrap'),
    timers: [...timers].filter(({ next }) => next !== Infinity).length,
    processListeners: Object.fromEntries(process.eventNames().map((name) => [String(name), process.listenerCount(name)]).sort()),
  }
}

/** How many tasks have taken a step and are not done. */
export function unfinishedTasks(): number {
  for (const task of tasks) if (task.outcome !== null) tasks.delete(task)
  return tasks.size
}
