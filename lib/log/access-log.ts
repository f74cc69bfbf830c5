import type { Logger } from './logger.js'

/** One request and its response, as the access log reports them. */
export interface AccessRecord {
  /** The host that the request was for, as sent; empty if its head was rejected. */
  readonly vhost: string
  /** IP address of the peer. */
  readonly client_ip: string
  readonly method: string
  /** The path, without `?` and the text after it. */
  readonly query: string
  /** The status sent, or `clientGone`; undefined if a handler has written the response itself and its status is unknown. */
  readonly status: number | undefined
  /** Bytes of content sent. */
  readonly size: number
  /** Seconds from the end of the request's head until the response was sent, or buffered for sending if it is small. */
  readonly time: number
  /** The request's header fields by lower-case name; null if its head was rejected. */
  readonly headers: { get(name: string): string | undefined } | null
}

/** The status logged when the client disconnected before the end of the response; it is never sent. */
export const clientGone = 499

/** Maximum characters of a logged value; the rest is cut off. */
export const valueLimit = 2048

/** Reserved members of a line. If `log_headers` could name one, a client could forge it. */
export const lineFields: ReadonlySet<string> = new Set([
  'vhost', 'client_ip', 'method', 'query', 'status', 'size', 'time', 'forwarded_for', 'forwarded_real_ip',
  // Added by loggers, or treated specially by pino and its readers.
  'duration', 'level', 'ts', 'msg', 'err', 'pid', 'hostname', 'headers', '__proto__',
])

/** Whether access lines are written; to check before collecting the data of one. */
export function accessEnabled(logger: Logger): boolean {
  return logger.isLevelEnabled('access')
}

/** Writes one line, without members that have no value; `logHeaders` are names in lower case. */
export function logAccess(logger: Logger, record: AccessRecord, logHeaders: readonly string[]): void {
  const { client_ip, headers } = record
  const line: Record<string, string | number | undefined> = {
    vhost: cut(record.vhost),
    client_ip,
    method: cut(record.method),
    query: cut(record.query),
    status: record.status,
    size: record.size,
    // The clock is no finer than a microsecond.
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
