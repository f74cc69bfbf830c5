import { errorLines, fieldsText, type Fields } from './error-text.js'
import { visible, type LineSink } from './stdout-sink.js'

/** How lines look: JSON, text for a person, or text only on a terminal. */
export type LogFormat = 'auto' | 'json' | 'text'

/** Where lines are shown. */
export interface Screen {
  readonly isTerminal: boolean
  /** Whether it shows colors. */
  readonly hasColors: boolean
}

/** Passes on the lines of the JSON log, each as one short line if people are to read them, an error with its stack below it. */
export class FormatSink implements LineSink {
  format: LogFormat = 'auto'
  readonly #sink: LineSink
  readonly #screen: Screen

  constructor(sink: LineSink, screen: Screen) {
    this.#sink = sink
    this.#screen = screen
  }

  write(lines: string): void {
    const { isTerminal, hasColors } = this.#screen
    const isText = this.format === 'auto' ? isTerminal : this.format === 'text'
    this.#sink.write(isText ? lines.trimEnd().split('\n').map((line) => terminalLine(line, hasColors)).join('') : lines)
  }
}

/** Numbers of terminals' colors (ECMA-48 section 8.3.117). */
const [faint, red, green, yellow, cyan] = [2, 31, 32, 33, 36]
const levelColors: Readonly<Record<string, number>> = { debug: faint, info: cyan, warn: yellow, error: red }

/** One line of the JSON log in human-readable form, with its line break. */
export function terminalLine(json: string, hasColors: boolean): string {
  const { level, ts, msg, err, ...rest } = JSON.parse(json) as Fields
  const paint: Paint = (color, text) => hasColors && text !== '' ? `\x1b[${color}m${text}\x1b[0m` : text
  const clock = paint(faint, new Date(String(ts)).toTimeString().slice(0, 8))
  const texts = level === 'access' ? accessTexts(rest, paint) : eventTexts(shown(level), shown(msg), rest, paint)
  const below = err === undefined ? [] : errorLines(err).map((line) => `  ${isMinor(line) ? paint(faint, line) : line}\n`)
  return `${[clock, ...texts].filter(Boolean).join('  ')}\n${below.join('')}`
}

type Paint = (color: number, text: string) => string

/** Status, request and cost come first; other members of the line come last. */
function accessTexts({ status, method, vhost, query, size, time, client_ip: client, ...rest }: Fields, paint: Paint): string[] {
  const milliseconds = typeof time === 'number' ? ` ${(time * 1000).toFixed(1)} ms` : ''
  const color = Number(status) >= 500 ? red : Number(status) >= 400 ? yellow : green
  return [
    paint(color, shown(status)), `${shown(method)} ${shown(vhost)}${shown(query)}`, `${shown(size)} B${milliseconds}`, shown(client),
    paint(faint, fieldsText(rest)),
  ]
}

/** An event of a request has its method and path behind the message. */
function eventTexts(level: string, message: string, fields: Fields, paint: Paint): string[] {
  const { method, query, ...rest } = fields
  const isRequest = typeof method === 'string' && typeof query === 'string'
  return [
    paint(levelColors[level] ?? faint, level), message, isRequest ? visible(`${method} ${query}`) : '',
    paint(faint, fieldsText(isRequest ? rest : fields)),
  ]
}

/** Whether a line below an error is a frame of an installed package. */
function isMinor(line: string): boolean {
  return /^ *at /.test(line) && line.includes('node_modules')
}

function shown(value: unknown): string {
  return value === undefined ? '' : visible(typeof value === 'string' ? value : JSON.stringify(value))
}
