/** The service manager that started this process, and wants to be told of it. */
interface Manager {
  /** Its socket, as NOTIFY_SOCKET names it. */
  readonly socket: string
  /** Seconds within which it wants to hear that the process is alive; null: it does not. */
  readonly watchdog: number | null
}

let found: Manager | null = null

/** The one that the environment names; null: none wants to be told. */
export function manager(): Manager | null {
  return found ??= readEnvironment()
}

/** Reads the variables, and removes them: processes that this one starts are not to report in its place. */
function readEnvironment(): Manager | null {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: time, WATCHDOG_PID: pid } = process.env
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) Reflect.deleteProperty(process.env, name)
  if (socket === undefined || socket === '') return null
  const isWatched = /^[1-9]\d*$/.test(time ?? '') && (pid === undefined || pid === String(process.pid))
  return { socket, watchdog: isWatched ? Number(time) / 1_000_000 : null }
}
