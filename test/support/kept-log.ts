import type { Logger } from '../../lib/index.js'

export interface LogEntry {
  readonly level: 'debug' | 'access' | 'info' | 'warn' | 'error'
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
}

/** A logger that keeps what it is told, for `config.logger`. */
export interface KeptLog extends Logger {
  readonly entries: LogEntry[]
  /** Entries of one level, the fields only. */
  of(level: LogEntry['level']): Readonly<Record<string, unknown>>[]
  /** The status of each access line. */
  statuses(): unknown[]
}

export function keptLog(): KeptLog {
  const entries: LogEntry[] = []
  const method = (level: LogEntry['level']) => (fields: object | string, message = ''): void => {
    if (typeof fields === 'string') entries.push({ level, fields: {}, message: fields })
    else entries.push({ level, fields: { ...fields }, message })
  }
  const log: KeptLog = {
    entries,
    debug: method('debug'),
    access: method('access'),
    info: method('info'),
    warn: method('warn'),
    error: method('error'),
    child: () => log,
    isLevelEnabled: () => true,
    of: (level) =>
      entries.filter((entry) => entry.level === level).map(({ fields, message }) => ({ ...fields, message })),
    statuses: () => entries.filter(({ level }) => level === 'access').map(({ fields }) => fields.status),
  }
  return log
}
