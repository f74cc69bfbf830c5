import type { LoggerLike } from 'leveret'

type Level = 'debug' | 'access' | 'info' | 'warn' | 'error'

/**
 * A logger for somebody who watches: one short line for each request. Without the setting `logger`, a server logs JSON.
 * Leveret has made control characters visible before an access line comes here.
 */
export const terminalLog: LoggerLike = {
  debug() {},
  access: (fields: object | string) => console.log(accessLine(typeof fields === 'string' ? { query: fields } : fields)),
  info: print('info'),
  warn: print('warn'),
  error: print('error'),
  isLevelEnabled: (level) => level !== 'debug',
}

type AccessFields = { [name in 'status' | 'method' | 'vhost' | 'query' | 'size' | 'time']?: unknown }

function accessLine({ status, method, vhost, query, size, time }: AccessFields): string {
  const milliseconds = typeof time === 'number' ? `${(time * 1000).toFixed(1)} ms` : ''
  return `  ${status}  ${method} ${vhost}${query}  ${size} bytes, ${milliseconds}`
}

function print(level: Level): (fields: object | string, message?: string) => void {
  return (fields, message) => {
    const text = typeof fields === 'string' ? fields : [message, detail(fields)].filter(Boolean).join(': ')
    console.error(`  ${level}: ${text}`)
  }
}

/** An error with its stack; other fields as JSON. */
function detail(fields: object): string {
  const error = 'err' in fields ? fields.err : fields
  if (error instanceof Error) return error.stack ?? error.message
  return JSON.stringify(fields)
}
