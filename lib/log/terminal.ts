import { visible, type LineSink } from './stdout-sink.js'

/** A log for people at a terminal: each JSON line becomes one short line, an error with its stack below it. */
export function terminalSink(sink: LineSink): LineSink {
  return {
    write(lines) {
      sink.write(lines.trimEnd().split('\n').map(terminalLine).join(''))
    },
  }
}

type Fields = Readonly<Record<string, unknown>>

/** One line of the JSON log in human-readable form, with its line break. */
export function terminalLine(json: string): string {
  const { level, ts, msg, err, ...rest } = JSON.parse(json) as Fields
  const clock = new Date(String(ts)).toTimeString().slice(0, 8)
  const text = level === 'access' ? accessText(rest) : [level, shown(msg), fieldsText(rest)].filter(Boolean).join('  ')
  return `${clock}  ${text}\n${stackText(err)}`
}

/** Status, request and cost come first; other members of the line come last. */
function accessText({ status, method, vhost, query, size, time, client_ip: client, ...rest }: Fields): string {
  const milliseconds = typeof time === 'number' ? ` ${(time * 1000).toFixed(1)} ms` : ''
  return [
    shown(status), `${shown(method)} ${shown(vhost)}${shown(query)}`, `${shown(size)} B${milliseconds}`, shown(client), fieldsText(rest),
  ].filter(Boolean).join('  ')
}

function fieldsText(fields: Fields): string {
  return Object.entries(fields).map(([name, value]) => `${visible(name)}=${visible(JSON.stringify(value))}`).join(' ')
}

function shown(value: unknown): string {
  return value === undefined ? '' : visible(typeof value === 'string' ? value : JSON.stringify(value))
}

/** An error as serialized by pino, whose stack includes the message. */
function stackText(error: unknown): string {
  if (error === undefined) return ''
  const stack = typeof error === 'object' && error !== null && 'stack' in error ? error.stack : null
  const text = typeof stack === 'string' ? stack : JSON.stringify(error)
  return text.split('\n').map((line) => `  ${visible(line)}\n`).join('')
}
