import { fileURLToPath, pathToFileURL } from 'node:url'
import { visible } from './stdout-sink.js'

/** Members of a log line, or of a value in it. */
export type Fields = Readonly<Record<string, unknown>>

/** Folders whose frames only tell how Leveret works: as they are run, and as source maps name them. */
const ownFolders = ['../../', '../../../'].flatMap((root) => ['lib/', 'lev/', 'tls/'].flatMap((folder) => {
  const { href } = new URL(root + folder, import.meta.url)
  return [href, fileURLToPath(href)]
}))

/** Leveret and Node call the handler: a stack that has other frames is shown without theirs. */
function isForeign(frame: string): boolean {
  return /[( ]node:|<anonymous>\)?$/.test(frame) || ownFolders.some((folder) => frame.includes(folder))
}

/**
 * The lines that show an error to a person: message, members and the stack from the program's own frames, then the same of its
 * causes and of the errors that it gathers.
 * @param error as pino serializes it: the stacks of the causes follow its own
 */
export function errorLines(error: unknown): string[] {
  if (!isFields(error) || typeof error.stack !== 'string') return shownJson(error).split('\n')
  const { type: _type, message: _message, stack: _stack, aggregateErrors, ...members } = error
  const lines: string[] = []
  let above: readonly string[] = []
  for (const part of error.stack.split('\ncaused by: ')) {
    const [head = '', frames] = splitStack(part)
    const text = lines.length > 0 ? `caused by: ${head}` : head
    lines.push(...text.split('\n').map(visible))
    if (above.length === 0 && Object.keys(members).length > 0) lines.push(`    ${fieldsText(members)}`)
    lines.push(...withoutShared(frames, above).map((frame) => `    ${frame}`))
    above = frames
  }
  if (Array.isArray(aggregateErrors)) {
    for (const one of aggregateErrors) lines.push(...errorLines(one).map((line, at) => `${at === 0 ? '  - ' : '    '}${line}`))
  }
  return lines
}

/** Members as text: `name="value"`. */
export function fieldsText(fields: Fields): string {
  return Object.entries(fields).map(([name, value]) => `${visible(name)}=${shownJson(value)}`).join(' ')
}

/** Separates the message of a stack from its frames; without frames of the program all are kept. */
function splitStack(stack: string): [head: string, frames: readonly string[]] {
  const at = framesAt(stack)
  const own = ownFrames(stack)
  return [stack.slice(0, at).trimEnd(), own.length > 0 ? own : framesOf(stack, () => true)]
}

/** The frames of a stack that are neither Leveret's nor Node's, with short paths. */
export function ownFrames(stack: string): string[] {
  return framesOf(stack, (frame) => !isForeign(frame))
}

function framesOf(stack: string, wanted: (frame: string) => boolean): string[] {
  const folder = process.cwd()
  const prefixes = [`${pathToFileURL(folder).href}/`, `${folder}/`]
  const short = (frame: string): string => prefixes.reduce((text, prefix) => text.replace(prefix, ''), frame)
  const frames = stack.slice(framesAt(stack)).split('\n').map((line) => line.trim())
  return frames.filter((frame) => frame !== '' && wanted(frame)).map((frame) => visible(short(frame)))
}

/** Where the frames of a stack begin. */
function framesAt(stack: string): number {
  const at = stack.search(/^ +at /m)
  return at < 0 ? stack.length : at
}

/** The frames of a cause without those at its end that the error above it has too. */
function withoutShared(frames: readonly string[], above: readonly string[]): readonly string[] {
  let shared = 0
  while (shared < frames.length - 1 && frames.at(-1 - shared) === above.at(-1 - shared)) shared++
  return frames.slice(0, frames.length - shared)
}

function shownJson(value: unknown): string {
  return visible(JSON.stringify(value))
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null
}
