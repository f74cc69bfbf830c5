import { pino } from 'pino'
import { instanceOf, messageOf } from '../../lev/internal.js'
import { stdoutSink, visible, type LineSink } from './stdout-sink.js'
import { FormatSink, terminalLine, type LogFormat, type Screen } from './terminal.js'

/** Severity of a line: debug < access < info < warn < error. */
export type LogLevel = 'debug' | 'access' | 'info' | 'warn' | 'error'

/** Logs a message, or fields with an optional message; an Error counts as fields and is logged with its stack. */
export interface LogMethod {
  (message: string): void
  (fields: object, message?: string): void
}

/** The logger of the server and its handlers. */
export interface Logger {
  /** Details for debugging. */
  readonly debug: LogMethod
  /** One line per request; a level between debug and info. */
  readonly access: LogMethod
  /** Normal events in the operation of the server. */
  readonly info: LogMethod
  /** A problem that does not stop the operation. */
  readonly warn: LogMethod
  /** A failure. */
  readonly error: LogMethod
  /** A logger that adds `fields` to every line. It keeps the present level of its parent. */
  child(fields: object): Logger
  /** Whether lines of this level are written. */
  isLevelEnabled(level: LogLevel): boolean
}

/** The interface of a user's own logger; pino and many others have it. */
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
  /** A logger that adds `fields` to every line; without this method, the server adds them. */
  child?(fields: object): LoggerLike
  /** Whether lines of this level are written; without this method, all are. */
  isLevelEnabled?(level: string): boolean
}

/** The settings for logging. */
interface LogSettings {
  readonly log_level: LogLevel
  readonly log_format: LogFormat
  readonly logger: LoggerLike | null
}

const levels: Readonly<Record<LogLevel, number>> = { debug: 20, access: 25, info: 30, warn: 40, error: 50 }

/** A server's logging: `logger` is the current logger, and `configure` takes effect immediately. */
export class ServerLog {
  #own: Logger & { level: string }
  readonly #sink: FormatSink
  #logger: Logger
  #user: LoggerLike | null = null
  /** Stand in every line. */
  #tags: object | null = null

  /** @param screen whether `sink`, by default stdout, ends at a terminal */
  constructor(settings: LogSettings, sink: LineSink | null = null, screen: Screen = sink === null ? stdoutScreen() : noScreen) {
    this.#sink = new FormatSink(sink ?? stdoutSink((count) => screen.isTerminal ? terminalLine(lostLine(count), false) : lostLine(count)), screen)
    this.#own = ownLogger(settings.log_level, this.#sink)
    this.#logger = this.#own
    this.configure(settings)
  }

  get logger(): Logger {
    return this.#logger
  }

  /** `log_level` and `log_format` apply to the server's own logger; a user's logger keeps its own. */
  configure(settings: LogSettings): void {
    this.#own.level = settings.log_level
    this.#sink.format = settings.log_format
    if (settings.logger === this.#user) return
    this.#user = settings.logger
    this.#logger = settings.logger === null ? this.#own : this.#tagged(adapt(settings.logger))
  }

  /** Adds `fields` to every line from now on. */
  tag(fields: object): void {
    this.#tags = fields
    this.#own = this.#tagged(this.#own) as Logger & { level: string }
    this.#logger = this.#user === null ? this.#own : this.#tagged(this.#logger)
  }

  #tagged(logger: Logger): Logger {
    return this.#tags === null ? logger : logger.child(this.#tags)
  }
}

/** pino with the levels of this server. The timestamp is `ts`, since `time` is the duration of a request in access lines. */
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
            // pino writes any other value as if it were text, and a symbol as invalid JSON.
            if (typeof first === 'object' || typeof first === 'string') return method.apply(this, args)
            method.apply(this, [messageOf(first)])
          } catch {
            // A handler may log a value that throws when it is read, and must not fail by that.
            method.apply(this, [{ err: new ReadableError(messageOf(first)) }, ...(typeof args[1] === 'string' ? [args[1]] : [])])
          }
        },
      },
    },
    sink,
  )
}

/** The serialized form of an error, or of any other thrown value. Never throws. */
function readable(error: unknown): unknown {
  try {
    return pino.stdSerializers.err(error as Error)
  } catch {
    return { type: 'unreadable', message: messageOf(error) }
  }
}

const noScreen: Screen = { isTerminal: false, hasColors: false }

/** `hasColors` respects NO_COLOR and FORCE_COLOR. */
function stdoutScreen(): Screen {
  const { stdout } = process
  return stdout.isTTY ? { isTerminal: true, hasColors: stdout.hasColors() } : noScreen
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
 * Adapts a user's logger to the interface of the server's own. Its methods are called on the logger itself, and its level does
 * not change. Since its output format is unknown, access lines reach it with control characters escaped.
 */
function adapt(target: LoggerLike): Logger {
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
    child(fields) {
      const clean = visibleFields(fields)
      return adapt(childOf(target, clean) ?? withFields(target, clean))
    },
    isLevelEnabled: (level) => target.isLevelEnabled?.(level === 'access' ? access : level) ?? true,
  }
}

/** Calls a method of a user's logger. If it throws, only the line is lost; the request and the server continue. */
function pass(target: LoggerLike, method: LogMethod, fields: string | object, message?: string): void {
  try {
    Reflect.apply(method, target, message === undefined ? [fields] : [fields, message])
  } catch (error) {
    // The logger may have failed on a thrown value that cannot be read: retry with its message.
    if (typeof fields === 'object' && Object.hasOwn(fields, 'err') && !instanceOf(Reflect.get(fields, 'err'), ReadableError)) {
      return pass(target, method, { ...fields, err: new ReadableError(messageOf(Reflect.get(fields, 'err'))) }, message)
    }
    tellBroken(target, error)
  }
}

/** The user's own child; null if there is none, or making it failed. */
function childOf(target: LoggerLike, fields: object): LoggerLike | null {
  try {
    return target.child?.(fields) ?? null
  } catch (error) {
    tellBroken(target, error)
    return null
  }
}

function tellBroken(target: LoggerLike, error: unknown): void {
  if (broken.has(target)) return
  broken.add(target)
  console.error('leveret: the logger failed; more of its failures are not told:', messageOf(error))
}

/** Replaces a thrown value that a logger could not read. */
class ReadableError extends Error {}

/** Loggers whose failure was reported. */
const broken = new WeakSet<LoggerLike>()

/** Strings with their control characters escaped; @param time the name of the member `time` */
function visibleFields(fields: object, time = 'time'): object {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]: [string, unknown]) => [
      name === 'time' ? time : name,
      typeof value === 'string' ? visible(value) : value,
    ]),
  )
}

/**
 * Whether a pino logger writes its timestamp as `time`, as by default: log readers would reject a second `time` in the same
 * line, or take it for the first.
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

/** A child of a logger without the method `child`. */
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
