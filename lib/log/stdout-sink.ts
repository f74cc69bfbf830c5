import { writeSync } from 'node:fs'
import { queuedBytes } from '../../lev/internal.js'
import { logBacklogCharacters } from '../config/fixed-limits.js'

/** Where finished lines go. */
export interface LineSink {
  write(lines: string): void
}

/** Characters gathered within one step of the program before they are written. */
const batchLimit = 64 * 1024

/** What may appear in a line as it is; most lines have nothing else, and are written as one byte a character. */
const notPlain = /[^\n\x20-\x7e]/

/** What can drive a terminal or break lines in some reader, and JSON lets pass: DEL, C1, line and direction marks. */
const unsafe = /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

const notPrintable = /[^\x20-\x7e]/
const control = /[\0-\x1f]/g

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/**
 * Escapes in JSON text what JSON.stringify lets pass and a terminal may act upon. Such characters only occur inside of
 * strings, so that the text means the same afterwards.
 */
export function escapeLine(text: string): string {
  return notPlain.test(text) ? text.replace(unsafe, escaped) : text
}

/** Text for a logger of which nothing is known: control characters are shown, as `\\u000a`, and not passed on. */
export function visible(text: string): string {
  return notPrintable.test(text) ? text.replace(control, escaped).replace(unsafe, escaped) : text
}

/**
 * Lines to stdout, without ever holding the program up: what one step of the program logs goes out in one write right
 * after it, so that a signal that kills leaves nothing behind. When a pipe is full, lines wait (to a limit) until its
 * reader goes on; at the process's end they get a last chance. A reader that is gone ends the logging, not the process.
 */
class StdoutSink implements LineSink {
  #pending = ''
  /** What a full pipe did not take, first to go. Not null: stalled. */
  #rest: Buffer | null = null
  /** Bytes at the start of `#rest` that process.stdout has taken and may have written. */
  #handedOver = 0
  #scheduled = false
  #broken = false
  #ended = false
  #lost = 0
  readonly #lostLine: (count: number) => string
  readonly #onDrain = (): void => this.#handOver('')

  constructor(lostLine: (count: number) => string) {
    this.#lostLine = lostLine
    // As soon as it is there, process.stdout makes pipes and sockets non-blocking. Writes below count on it.
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

  /** Writes to a stdout that is a stream of its own kind, which takes all that it is given, however much it holds already. */
  #handOver(text: string): void {
    const { stdout } = process
    if (stdout.writableLength > logBacklogCharacters) {
      // One that only ever gets below the limit is never drained, and gets no second listener.
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

  /** Writes what stdout takes now and gives what it did not take; null if it took everything, or will never again. */
  #writeAll(bytes: Buffer): Buffer | null {
    let rest = bytes
    while (rest.length > 0) {
      try {
        rest = rest.subarray(writeSync(1, rest))
      } catch (error) {
        if (isBusy(error)) return rest
        // A full disk may have room again later; a pipe without a reader is gone for good.
        if (hasCode(error, 'ENOSPC', 'EDQUOT', 'EIO')) this.#lost += countLines(rest)
        else this.#broken = true
        return null
      }
    }
    return null
  }

  /**
   * stdout is full. Node tells when a stream takes data again only by taking some: so the next line goes that way.
   * A whole line, so that what the program prints itself does not come between.
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
        // The stream is going to report the error as an event too: that is what the listener stays for.
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

  /** What is left of `#rest`, seen from outside of the stream that got its start. */
  #unwritten(): Buffer {
    if (this.#rest === null) return Buffer.alloc(0)
    // The stream counts a write until all of it is done; a pipe takes a line as a whole or not at all.
    const queued = queuedBytes(process.stdout) ?? process.stdout.writableLength
    return this.#rest.subarray(Math.max(0, this.#handedOver - queued))
  }

  /** The process ends: what is left is written now, however long it takes as long as the reader takes something. */
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

/** Tests and worker threads have a stdout of their own, which is not file descriptor 1. */
function isReplaced(stdout: typeof process.stdout): boolean {
  const own: unknown = Reflect.get(Object.getPrototypeOf(stdout) as object, 'write')
  return stdout.write !== own || stdout.fd !== 1
}

/** Escaped, as bytes: most text is ASCII, and that is quicker than UTF-8. */
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
 * The one sink of this process that writes to stdout.
 * @param lostLine renders the line that tells how many were lost
 */
export function stdoutSink(lostLine: (count: number) => string): LineSink {
  return (shared ??= new StdoutSink(lostLine))
}
