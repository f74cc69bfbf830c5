import { pino } from 'pino'
import { instanceOf, messageOf } from '../../lev/internal.js'
import { stdoutSink, visible, type LineSink } from './stdout-sink.js'
import { terminalLine, terminalSink } from './terminal.js'

/** How grave a line is: debug < access < info < warn < error. */
export type LogLevel = 'debug' | 'access' | 'info' | 'warn' | 'error'

/** Logs a text, or fields with a text; an Error counts as fields and is logged with its stack. */
export interface LogMethod {
  (message: string): void
  (fields: object, message?: string): void
}

/** What the server and its handlers log through. */
export interface Logger {
  /** For who looks for a fault. */
  readonly debug: LogMethod
  /** One line a request: between debug and info. */
  readonly access: LogMethod
  /** For who runs the server: what it does. */
  readonly info: LogMethod
  /** Something is odd, and goes on. */
  readonly warn: LogMethod
  /** Something failed. */
  readonly error: LogMethod
  /** A logger whose lines all carry `fields`. It keeps the level that its parent has now. */
  child(fields: object): Logger
  /** Whether lines of this level are written. */
  isLevelEnabled(level: LogLevel): boolean
}

/** What a user's own logger must have: pino's does, and many others. */
export interface LoggerLike {
  /** Gets the debug lines. */
  readonly debug: LogMethod
  /** Gets the info lines. */
  readonly info: LogMethod
  /** Gets the warnings. */
  readonly warn: LogMethod
  /** Gets the errors. */
  readonly error: LogMethod
  /** Gets the access lines; without it, `info` does. */
  readonly access?: LogMethod | null | undefined
  /** A logger whose lines all carry `fields`; without it, the server adds them to each line. */
  child?(fields: object): LoggerLike
  /** Whether lines of this level are written; without it, all are. */
  isLevelEnabled?(level: string): boolean
}

/** The settings that decide about logging. */
export interface LogSettings {
  readonly log_level: LogLevel
  readonly logger: LoggerLike | null
}

const levels: Readonly<Record<LogLevel, number>> = { debug: 20, access: 25, info: 30, warn: 40, error: 50 }

/** A server's logging: `logger` is the one to use now, and `configure` changes it at once. */
export class ServerLog {
  readonly #own: Logger & { level: string }
  #logger: Logger
  #user: LoggerLike | null = null

  constructor(settings: LogSettings, sink: LineSink = ownSink()) {
    this.#own = ownLogger(settings.log_level, sink)
    this.#logger = this.#own
    this.configure(settings)
  }

  get logger(): Logger {
    return this.#logger
  }

  /** `log_level` is about the server's own logger; a user's logger keeps the level it has. */
  configure(settings: LogSettings): void {
    this.#own.level = settings.log_level
    if (settings.logger === this.#user) return
    this.#user = settings.logger
    this.#logger = settings.logger === null ? this.#own : adapt(settings.logger)
  }
}

/** pino, with the levels of this server. The time of a line is `ts`: in access lines, `time` is what a request took. */
function ownLogger(level: LogLevel, sink: LineSink): Logger & { level: string } {
  return pino(
    {
      level,
      customLevels: levels,
      useOnlyCustomLevels: true,
      base: null,
      timestamp,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: readable },
      hooks: {
        logMethod(args, method) {
          const [first] = args as unknown[]
          try {
            // pino writes what is neither as if it were text, and a symbol as nothing that JSON has.
            if (typeof first === 'object' || typeof first === 'string') return method.apply(this, args)
            method.apply(this, [messageOf(first)])
          } catch {
            // A handler may log what cannot be looked at, and must not fail by it.
            method.apply(this, [{ err: new ReadableError(messageOf(first)) }, ...(typeof args[1] === 'string' ? [args[1]] : [])])
          }
        },
      },
    },
    sink,
  )
}

/** What a line says of an error, or of any other value that was thrown. Never throws. */
function readable(error: unknown): unknown {
  try {
    return pino.stdSerializers.err(error as Error)
  } catch {
    return { type: 'unreadable', message: messageOf(error) }
  }
}

/** Readable lines on a terminal, JSON elsewhere. */
function ownSink(): LineSink {
  return process.stdout.isTTY ? terminalSink(stdoutSink((count) => terminalLine(lostLine(count)))) : stdoutSink(lostLine)
}

function lostLine(count: number): string {
  return `{"level":"warn"${timestamp()},"msg":"${count} log lines were lost: stdout did not take them"}\n`
}

let stampOf = ''
let stamp = ''

/** The time in ISO 8601, rendered once a millisecond. */
function timestamp(): string {
  const now = pino.stdTimeFunctions.epochTime()
  if (now !== stampOf) {
    stampOf = now
    stamp = pino.stdTimeFunctions.isoTime().replace('"time"', '"ts"')
  }
  return stamp
}

/**
 * A user's logger in the shape of the server's own. Its methods are called on itself, and its level is left alone.
 * How it writes is its own affair, so access lines reach it without any character that could forge or hide something.
 */
export function adapt(target: LoggerLike): Logger {
  const access = typeof target.access === 'function' ? 'access' : 'info'
  const time = stampsTime(target) ? 'duration' : 'time'
  const method = (name: 'debug' | 'info' | 'warn' | 'error'): LogMethod => {
    return (fields: string | object, message?: string) => pass(target, target[name], fields, message)
  }
  return {
    debug: method('debug'),
    info: method('info'),
    warn: method('warn'),
    error: method('error'),
    access: (fields: string | object, message?: string) => {
      const clean = typeof fields === 'string' ? visible(fields) : visibleFields(fields, time)
      pass(target, target[access] ?? target.info, clean, message)
    },
    child: (fields) => adapt(typeof target.child !== 'function' ? withFields(target, fields) : target.child(fields)),
    isLevelEnabled: (level) => target.isLevelEnabled?.(level === 'access' ? access : level) ?? true,
  }
}

/** A logger that throws has to cost the line alone, not the request, let alone the server. */
function pass(target: LoggerLike, method: LogMethod, fields: string | object, message?: string): void {
  try {
    Reflect.apply(method, target, message === undefined ? [fields] : [fields, message])
  } catch (error) {
    // It may be the thrown value that cannot be read, rather than the logger that is broken.
    if (typeof fields === 'object' && Object.hasOwn(fields, 'err') && !instanceOf(Reflect.get(fields, 'err'), ReadableError)) {
      return pass(target, method, { ...fields, err: new ReadableError(messageOf(Reflect.get(fields, 'err'))) }, message)
    }
    if (broken.has(target)) return
    broken.add(target)
    console.error('leveret: the logger failed; more of its failures are not told:', messageOf(error))
  }
}

/** Stands in for a thrown value that a logger could not read. */
class ReadableError extends Error {}

/** Loggers whose failure was told. */
const broken = new WeakSet<LoggerLike>()

function visibleFields(fields: object, time: string): object {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]: [string, unknown]) => [
      name === 'time' ? time : name,
      typeof value === 'string' ? visible(value) : value,
    ]),
  )
}

/**
 * Whether the lines of a pino have the time they were written as `time`, as they have unless it was told otherwise: a
 * second `time` in the same line would be refused, or taken for the first, by what reads it.
 */
function stampsTime(target: LoggerLike): boolean {
  for (let level: object | null = target; level !== null; level = prototypeOf(level)) {
    for (const symbol of Object.getOwnPropertySymbols(level)) {
      if (symbol.description !== 'pino.time') continue
      const stamp: unknown = Reflect.get(target, symbol)
      return typeof stamp === 'function' && String(stamp.call(target)).startsWith(',"time":')
    }
  }
  return false
}

function prototypeOf(value: object): object | null {
  return Object.getPrototypeOf(value) as object | null
}

/** A child for a logger that cannot make one. */
function withFields(target: LoggerLike, bound: object): LoggerLike {
  const method = (name: 'debug' | 'access' | 'info' | 'warn' | 'error'): LogMethod => {
    return (fields: string | object, message?: string) => {
      const inner = target[name] ?? target.info
      if (typeof fields === 'string') pass(target, inner, bound, fields)
      else if (instanceOf<Error>(fields, Error)) pass(target, inner, { ...bound, err: fields }, message)
      else pass(target, inner, { ...bound, ...fields }, message)
    }
  }
  return {
    debug: method('debug'),
    access: method('access'),
    info: method('info'),
    warn: method('warn'),
    error: method('error'),
    isLevelEnabled: (level) => target.isLevelEnabled?.(level === 'access' && !target.access ? 'info' : level) ?? true,
  }
}
