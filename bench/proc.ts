import { readdirSync, readFileSync } from 'node:fs'

/** Of the ticks in which Linux counts CPU time for its users, whatever its own: 100 a second, on every architecture. */
const ticksPerSecond = 100

/** Ticks that a process has used so far, all its threads, those that have ended too. @param text /proc/PID/stat */
export function parseTicks(text: string): { user: number; system: number } {
  // The second field is the program's name in parentheses, which may hold spaces and parentheses itself.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [user, system] = [Number(fields[11]), Number(fields[12])]
  if (!Number.isInteger(user) || !Number.isInteger(system)) throw new Error(`not a /proc/PID/stat: ${text}`)
  return { user, system }
}

/** Seconds so far in which one core was at work, for whomever. @param text /proc/stat */
export function parseCoreBusy(text: string, core: number): number {
  const line = text.split('\n').find((one) => one.startsWith(`cpu${core} `))
  if (line === undefined) throw new Error(`no core ${core} in /proc/stat`)
  const [user, nice, system, , , interrupt, softInterrupt, stolen] = line.split(/\s+/).slice(1).map(Number)
  return (user + nice + system + interrupt + softInterrupt + (stolen || 0)) / ticksPerSecond
}

/** The numbers in a list such as `0-2,5`. */
export function parseCoreList(text: string): number[] {
  return text.trim().split(',').filter((part) => part !== '').flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, index) => first + index)
  })
}

/** The cores that this process may use. @param text /proc/self/status */
export function parseAllowedCores(text: string): number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(text)
  if (list === null) throw new Error('no Cpus_allowed_list in /proc/self/status')
  return parseCoreList(list[1])
}

export function coreBusy(core: number): number {
  return parseCoreBusy(read('/proc/stat'), core)
}

/** Where the two sides run. */
export interface Cores {
  readonly server: number
  readonly load: number
  /** Both are one physical core's threads: they slow each other down. */
  readonly siblings: boolean
}

/** Two cores that are to be had, if possible not two threads of one; null where there is one core only. */
export function chooseCores(): Cores | null {
  const allowed = parseAllowedCores(read('/proc/self/status'))
  if (allowed.length < 2) return null
  const [server] = allowed
  const siblings = siblingsOf(server)
  const apart = allowed.findLast((core) => !siblings.includes(core))
  return apart === undefined ? { server, load: allowed[1], siblings: true } : { server, load: apart, siblings: false }
}

function siblingsOf(core: number): number[] {
  try {
    return parseCoreList(read(`/sys/devices/system/cpu/cpu${core}/topology/thread_siblings_list`))
  } catch {
    return [core]
  }
}

/**
 * A command that runs on one core only, and is ended should this program be killed. Each part of it becomes the next one: the
 * process that is started is the command's own.
 *
 * @param core null: any
 */
export function pinned(core: number | null, command: readonly string[]): { command: string; args: string[] } {
  const args = ['--pdeathsig', 'TERM', ...(core === null ? [] : ['taskset', '-c', String(core)]), ...command]
  return { command: 'setpriv', args }
}

/** CPU time that the processes of a server have used, at one moment. */
export interface CpuSample {
  /** Nanoseconds of each thread by its id, as the scheduler counts them. */
  readonly threads: ReadonlyMap<number, number>
  /** The same in ticks: coarse, but it knows the user's part from the system's. */
  readonly user: number
  readonly system: number
}

/** Takes the CPU time of a process and of its children, their children and so on. @throws Error if it has ended */
export function sampleCpu(pid: number): CpuSample {
  const threads = new Map<number, number>()
  let [user, system] = [0, 0]
  for (const one of family(pid)) {
    for (const thread of readdirSync(`/proc/${one}/task`)) {
      try {
        threads.set(Number(thread), Number(read(`/proc/${one}/task/${thread}/schedstat`).split(' ')[0]))
      } catch {
        // A thread that has just ended.
      }
    }
    const ticks = parseTicks(read(`/proc/${one}/stat`))
    user += ticks.user
    system += ticks.system
  }
  return { threads, user, system }
}

/** CPU time between two samples, in microseconds. What a thread that ended in between had used since the first is lost. */
export function cpuBetween(first: CpuSample, second: CpuSample): { total: number; system: number } {
  let nanoseconds = 0
  for (const [thread, used] of second.threads) nanoseconds += used - (first.threads.get(thread) ?? 0)
  const [user, system] = [second.user - first.user, second.system - first.system]
  const total = nanoseconds / 1000
  return { total, system: user + system === 0 ? 0 : (total * system) / (user + system) }
}

/** Memory that the processes of a server hold, in bytes: resident, and counted in each process. */
export function residentMemory(pid: number): number {
  const sizes = family(pid).map((one) => Number(/^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${one}/status`))?.[1] ?? 0) * 1024)
  return sizes.reduce((sum, size) => sum + size, 0)
}

/** Files, and so connections, that one process may have open at most. */
export function openFilesLimit(): number {
  const limit = /^Max open files\s+\S+\s+(\d+|unlimited)/m.exec(read('/proc/self/limits'))?.[1]
  return limit === undefined || limit === 'unlimited' ? Infinity : Number(limit)
}

/** A process and all that come from it. */
function family(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
    try {
      return read(`/proc/${pid}/task/${thread}/children`).split(' ').filter((one) => one !== '').map(Number)
    } catch {
      return []
    }
  })
  return [pid, ...children.flatMap(family)]
}

function read(path: string): string {
  return readFileSync(path, 'latin1')
}
