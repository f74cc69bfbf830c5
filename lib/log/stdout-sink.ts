import { writeSync } from 'node:fs'
import { queuedBytes } from '../../lev/internal.js'
import { logBacklogCharacters } from '../config/fixed-limits.js'

/** Receives finished lines. */
export interface LineSink {
  write(lines: string): void
}

/** Characters gathered within one step of the program after which they are written. */
const batchLimit = 64 * 1024

/** Any character that may need escaping or UTF-8; most lines have none, and are written as one byte per character. */
const notPlain = /[^\n\x20-\x7e]/

/** Characters valid in JSON that control terminals or break lines in some readers: DEL, C1, line and direction marks. */
const unsafe = /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

const notPrintable = /[^\x20-\x7e]/
const control = /[\0-\x1f]/g

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/**
 * Escapes characters in JSON text that JSON.stringify leaves as they are and a terminal may act upon. They occur only in strings,
 * so that the meaning of the text does not change.
 */
export function escapeLine(text: string): string {
  return notPlain.test(text) ? text.replace(unsafe, escaped) : text
}

/** Text for a logger whose output format is unknown: control characters become visible, as `\\u000a`. */
export function visible(text: string): string {
  return notPrintable.test(text) ? text.replace(control, escaped).replace(unsafe, escaped) : text
}

/**
 * Writes lines to stdout without blocking the program. The lines of one step leave in one write right after it, so that a signal
 * that kills the process loses none. While a pipe is full, lines are queued up to a limit; when the process exits, they are
 * tried once more. A closed pipe ends the logging, not the process.
 *
 * pino's own destination does not do this: synchronous, it waits in each line while a pipe is full; asynchronous, it loses lines
 * that are under way in the thread pool when the process exits, and it does not see a replaced process.stdout.
 */
class StdoutSink implements LineSink {
  #pending = ''
  /** Bytes that a full pipe did not accept, to be written first. Not null: stalled. */
  #rest: Buffer | null = null
  /** Bytes at the start of `#rest` that process.stdout has accepted and may have written. */
  #handedOver = 0
  #scheduled = false
  #broken = false
  #ended = false
  #lost = 0
  readonly #lostLine: (count: number) => string
  readonly #onDrain = (): void => this.#handOver('')

  constructor(lostLine: (count: number) => string) {
    this.#lostLine = lostLine
    // Creating process.stdout makes pipes and sockets non-blocking; the writes below rely on that.
    void process.stdout
    process.on('exit', () => this.#finish())
  }

  write(lines: string): void {
    if (this.#broken) return
    if (this.#ended) {
      this.#writeAll(encode(lines))
      return
    }
    if (this.#rest !== null && this.#rest.length + this.#pending.length > logBacklogCharacters) {
      this.#lost++
      return
    }
    this.#pending += lines
    if (this.#scheduled) {
      if (this.#pending.length > batchLimit) this.#flush()
      return
    }
    this.#scheduled = true
    process.nextTick(() => {
      this.#scheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#rest !== null || this.#broken) return
    const text = this.#take()
    if (text === '') return
    if (isReplaced(process.stdout)) this.#handOver(text)
    else this.#send(encode(text))
  }

  /** Writes to a replaced stdout, a stream that accepts any amount, so that the limit has to be enforced here. */
  #handOver(text: string): void {
    const { stdout } = process
    if (stdout.writableLength > logBacklogCharacters) {
      // The stream may have fallen below the limit without emitting 'drain'; the listener is still there then.
      if (stdout.listenerCount('drain', this.#onDrain) === 0) stdout.once('drain', this.#onDrain)
      this.#lost += countLines(text)
      return
    }
    const lost = this.#lost
    this.#lost = 0
    if (lost > 0 || text !== '') stdout.write(escapeLine(lost > 0 ? text + this.#lostLine(lost) : text))
  }

  #take(): string {
    const text = this.#pending
    this.#pending = ''
    return text
  }

  #send(bytes: Buffer): void {
    const lost = this.#lost
    const rest = this.#writeAll(bytes)
    if (rest !== null) this.#stall(rest)
    else if (lost > 0 && this.#lost === lost) this.#tellLost(lost)
  }

  #tellLost(count: number): void {
    this.#lost = 0
    const rest = this.#writeAll(encode(this.#lostLine(count)))
    if (rest !== null) this.#stall(rest)
    else if (this.#lost > 0) this.#lost = count
  }

  /** Writes bytes and returns those that stdout does not accept now; null if it accepted all, or the rest is lost. */
  #writeAll(bytes: Buffer): Buffer | null {
    let rest = bytes
    while (rest.length > 0) {
      try {
        rest = rest.subarray(writeSync(1, rest))
      } catch (error) {
        if (isBusy(error)) return rest
        // A full disk may have space again later; a pipe without a reader is closed for good.
        if (hasCode(error, 'ENOSPC', 'EDQUOT', 'EIO')) this.#lost += countLines(rest)
        else this.#broken = true
        return null
      }
    }
    return null
  }

  /**
   * Handles a full stdout. Node reports that a stream accepts data again only by completing a write, so the next line is written
   * through the stream: a whole line, so that the program's own output does not split it.
   */
  #stall(rest: Buffer): void {
    const lineEnd = rest.indexOf(10) + 1
    const probe = lineEnd === 0 ? rest : rest.subarray(0, lineEnd)
    const ignore = (): void => {}
    this.#rest = rest
    this.#handedOver = process.stdout.writableLength === 0 ? probe.length : 0
    process.stdout.once('error', ignore)
    process.stdout.write(probe, (error) => {
      this.#rest = null
      if (error) {
        // The stream also emits the error as an event, so the listener stays.
        this.#broken = true
        this.#pending = ''
        return
      }
      process.stdout.off('error', ignore)
      this.#resume(rest.subarray(probe.length))
    })
  }

  #resume(rest: Buffer): void {
    if (rest.length > 0) this.#send(rest)
    this.#flush()
  }

  /** The part of `#rest` that is not written yet, as far as the stream that got its start shows. */
  #unwritten(): Buffer {
    if (this.#rest === null) return Buffer.alloc(0)
    // The stream counts a write until all of it is done; a pipe accepts a line as a whole or not at all.
    const queued = queuedBytes(process.stdout) ?? process.stdout.writableLength
    return this.#rest.subarray(Math.max(0, this.#handedOver - queued))
  }

  /** At exit: writes the rest synchronously, as long as the reader makes progress. */
  #finish(): void {
    this.#ended = true
    if (this.#broken) return
    if (isReplaced(process.stdout)) return this.#handOver(this.#take())
    if (this.#lost > 0) this.#pending += this.#lostLine(this.#lost)
    let rest: Buffer | null = Buffer.concat([this.#unwritten(), encode(this.#take())])
    const bell = new Int32Array(new SharedArrayBuffer(4))
    for (let waits = 0; waits < 50 && rest !== null && rest.length > 0; waits++) {
      const before: number = rest.length
      rest = this.#writeAll(rest)
      if (rest === null) return
      if (rest.length < before) waits = 0
      Atomics.wait(bell, 0, 0, 10)
    }
  }
}

/** Whether stdout is not file descriptor 1, as in tests and worker threads. */
function isReplaced(stdout: typeof process.stdout): boolean {
  const own: unknown = Reflect.get(Object.getPrototypeOf(stdout) as object, 'write')
  return stdout.write !== own || stdout.fd !== 1
}

/** Escapes and encodes text: most is ASCII, for which latin1 is faster than UTF-8. */
function encode(text: string): Buffer {
  return notPlain.test(text) ? Buffer.from(escapeLine(text), 'utf8') : Buffer.from(text, 'latin1')
}

function countLines(lines: Buffer | string): number {
  let count = 0
  for (let at = lines.indexOf('\n'); at >= 0; at = lines.indexOf('\n', at + 1)) count++
  return count
}

function isBusy(error: unknown): boolean {
  return hasCode(error, 'EAGAIN', 'EBUSY')
}

function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.some((code) => code === error.code)
}

let shared: StdoutSink | null = null

/**
 * The only sink of this process that writes to stdout.
 * @param lostLine renders the line that reports how many were lost
 */
export function stdoutSink(lostLine: (count: number) => string): LineSink {
  return (shared ??= new StdoutSink(lostLine))
}
