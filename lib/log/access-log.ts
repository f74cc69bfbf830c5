import { logValueCharacters } from '../config/fixed-limits.js'
import type { RequestEnded } from '../observe/events.js'
import type { Logger } from './logger.js'

/** The status logged when the client disconnected before the end of the response; it is never sent. */
export const clientGone = 499

/** Reserved members of a line. If `log_headers` could name one, a client could forge it. */
export const lineFields: ReadonlySet<string> = new Set([
  'vhost', 'client_ip', 'method', 'query', 'status', 'size', 'time', 'route', 'forwarded_for', 'forwarded_real_ip',
  // Added by loggers, or treated specially by pino and its readers.
  'duration', 'level', 'ts', 'msg', 'err', 'pid', 'hostname', 'headers', '__proto__',
])

/** Whether access lines are written; to check before collecting the data of one. */
export function accessEnabled(logger: Logger): boolean {
  return logger.isLevelEnabled('access')
}

/** Writes one line, without members that have no value; `logHeaders` are names in lower case. */
export function logAccess(logger: Logger, record: RequestEnded, logHeaders: readonly string[]): void {
  const { client_ip, headers } = record
  const realIp = headers.get('x-real-ip')
  const line: Record<string, string | number | undefined> = {
    vhost: cut(record.host),
    client_ip,
    method: cut(record.method),
    query: cut(record.path),
    status: record.status,
    size: record.bytesOut,
    // The clock is no finer than a microsecond.
    time: Math.round(record.duration * 1e6) / 1e6,
    route: cut(record.route ?? undefined),
    forwarded_for: cut(headers.get('x-forwarded-for')),
  }
  if (realIp !== client_ip) line.forwarded_real_ip = cut(realIp)
  for (const name of logHeaders) line[name] = cut(headers.get(name))
  logger.access(line)
}

function cut(value: string): string
function cut(value: string | undefined): string | undefined
function cut(value: string | undefined): string | undefined {
  return value === undefined || value.length <= logValueCharacters ? value : `${value.slice(0, logValueCharacters - 3)}...`
}
