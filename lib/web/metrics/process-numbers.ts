import { readdirSync, readFileSync } from 'node:fs'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { metricText, type MetricType } from './exposition.js'

/** Milliseconds between two looks at the event loop. */
const resolution = 20

/** The numbers of the process, with the names that they have in other programs. */
export class ProcessNumbers {
  readonly #delays = monitorEventLoopDelay({ resolution })

  constructor() {
    this.#delays.enable()
  }

  stop(): void {
    this.#delays.disable()
  }

  /** Of the delays, those since the last call. */
  text(): string {
    const { user, system } = process.cpuUsage()
    const { rss, heapUsed, external } = process.memoryUsage()
    const p99 = beyondResolution(this.#delays.percentile(99))
    const max = beyondResolution(this.#delays.max)
    this.#delays.reset()
    const numbers: [name: string, type: MetricType, help: string, value: number | null][] = [
      ['process_cpu_seconds_total', 'counter', 'CPU time, user and system.', (user + system) / 1e6],
      ['process_start_time_seconds', 'gauge', 'When the process started, since 1970.', performance.timeOrigin / 1000],
      ['process_resident_memory_bytes', 'gauge', 'Memory of the process.', rss],
      ['process_open_fds', 'gauge', 'File descriptors that are open.', openDescriptors()],
      ['process_max_fds', 'gauge', 'File descriptors that may be open.', mostDescriptors()],
      ['nodejs_heap_size_used_bytes', 'gauge', 'JavaScript heap in use.', heapUsed],
      ['nodejs_external_memory_bytes', 'gauge', 'Memory that JavaScript objects hold outside the heap.', external],
      ['nodejs_eventloop_active_seconds_total', 'counter', 'Time in which the event loop did not wait.', performance.eventLoopUtilization().active / 1000],
      ['nodejs_eventloop_lag_p99_seconds', 'gauge', 'Delay of the event loop, 99th percentile since the last reading.', p99],
      ['nodejs_eventloop_lag_max_seconds', 'gauge', 'Delay of the event loop, longest since the last reading.', max],
    ]
    return numbers.map(([name, type, help, value]) => value === null ? '' : metricText(name, type, help, [['', {}, value]])).join('')
  }
}

/** The delay in seconds: what Node measures, in nanoseconds, is the time between two looks. */
function beyondResolution(nanoseconds: number): number {
  return Math.max(0, nanoseconds / 1e9 - resolution / 1000)
}

/** Null where the system has no /proc. */
function openDescriptors(): number | null {
  try {
    // One is for the reading itself.
    return readdirSync('/proc/self/fd').length - 1
  } catch {
    return null
  }
}

/** Null where the system has no /proc, or no limit. */
function mostDescriptors(): number | null {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return soft === undefined ? null : Number(soft)
  } catch {
    return null
  }
}
