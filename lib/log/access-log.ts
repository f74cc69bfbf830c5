import type { Logger } from './logger.js'

/** One request and its answer, as the access log tells of them. */
export interface AccessRecord {
  /** The host that the request was for, as sent; empty if its head was refused. */
  readonly vhost: string
  /** IP address of the peer. */
  readonly client_ip: string
  readonly method: string
  /** The path, without what follows `?`. */
  readonly query: string
  /** The status sent, or `clientGone`; undefined where a handler has written itself and no status could be seen. */
  readonly status: number | undefined
  /** Bytes of content sent. */
  readonly size: number
  /** Seconds from the request's whole head to its answer's being sent, or gathered to be sent if it is small. */
  readonly time: number
  /** The request's header fields by lower-case name; null if its head was refused. */
  readonly headers: { get(name: string): string | undefined } | null
}

/** The status that is logged when the client went away before its answer: no client ever sees it. */
export const clientGone = 499

/** Characters of a value that are logged; the rest is cut. */
export const valueLimit = 2048

/** Members of a line that are not request headers: with one of these in `log_headers`, a client could forge them. */
export const lineFields: ReadonlySet<string> = new Set([
  'vhost', 'client_ip', 'method', 'query', 'status', 'size', 'time', 'forwarded_for', 'forwarded_real_ip',
  // What loggers add, and names that pino and its readers treat in their own way.
  'duration', 'level', 'ts', 'msg', 'err', 'pid', 'hostname', 'headers', '__proto__',
])

/** Whether a line would be written at all: ask before collecting what goes into it. */
export function accessEnabled(logger: Logger): boolean {
  return logger.isLevelEnabled('access')
}

/** Writes one line. Members without a value are left out; `logHeaders` are names in lower case. */
export function logAccess(logger: Logger, record: AccessRecord, logHeaders: readonly string[]): void {
  const { client_ip, headers } = record
  const line: Record<string, string | number | undefined> = {
    vhost: cut(record.vhost),
    client_ip,
    method: cut(record.method),
    query: cut(record.query),
    status: record.status,
    size: record.size,
    // Microseconds are as fine as the clock is.
    time: Math.round(record.time * 1e6) / 1e6,
  }
  if (headers !== null) {
    line.forwarded_for = cut(headers.get('x-forwarded-for'))
    const realIp = headers.get('x-real-ip')
    if (realIp !== client_ip) line.forwarded_real_ip = cut(realIp)
    for (const name of logHeaders) line[name] = cut(headers.get(name))
  }
  logger.access(line)
}

function cut(value: string): string
function cut(value: string | undefined): string | undefined
function cut(value: string | undefined): string | undefined {
  return value === undefined || value.length <= valueLimit ? value : `${value.slice(0, valueLimit - 3)}...`
}
