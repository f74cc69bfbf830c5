import { readFileSync } from 'node:fs'

/** Of the ticks in which Linux counts CPU time for its users, whatever its own: 100 a second, on every architecture. */
const ticksPerSecond = 100

/** CPU time of a process so far, all its threads, in seconds: user and system together. @param text /proc/PID/stat */
export function parseProcessCpu(text: string): number {
  // The second field is the program's name in parentheses, which may hold spaces and parentheses itself.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [user, system] = [Number(fields[11]), Number(fields[12])]
  if (!Number.isInteger(user) || !Number.isInteger(system)) throw new Error(`not a /proc/PID/stat: ${text}`)
  return (user + system) / ticksPerSecond
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

export function processCpu(pid: number): number {
  return parseProcessCpu(readFileSync(`/proc/${pid}/stat`, 'latin1'))
}

export function coreBusy(core: number): number {
  return parseCoreBusy(readFileSync('/proc/stat', 'latin1'), core)
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
  const allowed = parseAllowedCores(readFileSync('/proc/self/status', 'latin1'))
  if (allowed.length < 2) return null
  const [server] = allowed
  const siblings = siblingsOf(server)
  const apart = allowed.findLast((core) => !siblings.includes(core))
  return apart === undefined ? { server, load: allowed[1], siblings: true } : { server, load: apart, siblings: false }
}

function siblingsOf(core: number): number[] {
  try {
    return parseCoreList(readFileSync(`/sys/devices/system/cpu/cpu${core}/topology/thread_siblings_list`, 'latin1'))
  } catch {
    return [core]
  }
}
