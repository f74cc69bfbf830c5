import type { Test } from 'tap'
import { BodyBuffer } from '../../../lib/http1/body-buffer.js'
import { ChunkedReader, DATA } from '../../../lib/http1/chunked.js'
import { HeadReader, NEED_MORE, REJECTED } from '../../../lib/http1/head.js'
import type { HeadLimits } from '../../../lib/http1/field-lines.js'
import type { RequestHead } from '../../../lib/http1/request-head.js'
import type { Rejection } from '../../../lib/http1/rejection.js'
import { randomFrom, seed } from '../../support/seed.js'

export const limits: HeadLimits = { lineLimit: 8192, countLimit: 100, sizeLimit: 65536 }

/** What became of some bytes: so that two ways of reading them can be compared. */
export interface Outcome {
  /** Offset behind the head, NEED_MORE or REJECTED. */
  readonly next: number
  readonly rejection: Rejection | null
  readonly head: RequestHead | null
}

/** Reads a head in one piece. */
export function readHead(text: string | Buffer, within: HeadLimits = limits): Outcome {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'latin1') : text
  return outcome(new HeadReader(within), (reader) => reader.read(bytes, 0, bytes.length))
}

/** Reads a head that comes in pieces, which end at the `cuts`. */
export function readHeadInPieces(bytes: Buffer, cuts: readonly number[], within: HeadLimits = limits): Outcome {
  return outcome(new HeadReader(within), (reader) => readInPieces(reader, bytes, cuts))
}

/** Has `reader` read from bytes that come in pieces, which end at the `cuts`, each time from another place in another buffer. */
export function readInPieces(reader: Pick<HeadReader, 'read'>, bytes: Buffer, cuts: readonly number[]): number {
  for (const end of [...cuts, bytes.length]) {
    const offset = end % 7
    const moved = Buffer.alloc(offset + end + 3, 'x')
    bytes.copy(moved, offset, 0, end)
    const next = reader.read(moved, offset, offset + end)
    if (next !== NEED_MORE) return next === REJECTED ? next : next - offset
  }
  return NEED_MORE
}

function outcome(reader: HeadReader, read: (reader: HeadReader) => number): Outcome {
  const next = read(reader)
  return { next, rejection: next === REJECTED ? reader.rejection : null, head: next >= 0 ? reader.head : null }
}

/** Everything that a head says, as plain data. */
export function facts(head: RequestHead | null): unknown {
  return head === null ? null : { ...head, fields: head.fields.lines() }
}

/** Sorted random places to cut `length` bytes at. */
export function randomCuts(pick: (below: number) => number, length: number): number[] {
  const cuts = new Set<number>()
  for (let n = pick(6); n > 0; n--) cuts.add(pick(length + 1))
  return [...cuts].sort((a, b) => a - b)
}

/** A few random changes to some bytes: the sort of thing that a parser meets from people who mean no good. */
export function mutated(pick: (below: number) => number, seedBytes: Buffer, fragments: readonly string[]): Buffer {
  let bytes = seedBytes
  for (let n = 1 + pick(4); n > 0; n--) {
    const at = pick(bytes.length + 1)
    const to = Math.min(bytes.length, at + pick(6))
    const text = pick(3) === 0 ? String.fromCharCode(pick(256)) : fragments[pick(fragments.length)]
    bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(text, 'latin1'), bytes.subarray(pick(2) === 0 ? at : to)])
  }
  return bytes
}

/** What changed bytes are looked at for. */
interface Check {
  /** What is wrong with how they are read, whole and in pieces. */
  readonly fault: (bytes: Buffer, cuts: readonly number[]) => string | null
  readonly isGood: (bytes: Buffer) => boolean
  /** More than so many must be good still: else the changes are too wild to find anything. */
  readonly least: number
}

/** Changes good bytes at random, `runs` times. */
export function changeAtRandom(
  t: Test, runs: number, good: readonly Buffer[], fragments: readonly string[], { fault, isGood, least }: Check,
): void {
  const pick = randomFrom(seed).below
  let whole = 0
  for (let run = 0; run < runs; run++) {
    const bytes = mutated(pick, good[pick(good.length)], fragments)
    const wrong = fault(bytes, randomCuts(pick, bytes.length))
    if (wrong !== null) {
      t.fail(wrong, { run, seed, bytes: JSON.stringify(bytes.toString('latin1')) })
      return
    }
    if (isGood(bytes)) whole++
  }
  t.ok(whole > least, `${whole} are still good`)
}

/** What became of a chunked body, as plain data. */
export interface BodyOutcome {
  /** DONE, NEED_MORE or REJECTED. */
  readonly result: number
  /** How far it was read: the offset behind the body; where it was refused, the byte at fault. */
  readonly used: number
  readonly body: string
  readonly trailers: [string, string][] | null
  readonly rejection: Rejection | null
}

/** Reads a chunked body that comes in pieces, which end at the `cuts`, each from another place in another buffer. */
export function readBody(
  text: string | Buffer,
  cuts: readonly number[] = [],
  maxBody = 1000,
  within: HeadLimits = limits,
): BodyOutcome {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'latin1') : text
  const reader = new ChunkedReader(maxBody, within)
  const body = new BodyBuffer()
  let used = 0
  let result = NEED_MORE
  for (const end of [...cuts, bytes.length]) {
    const offset = end % 7
    const moved = Buffer.alloc(offset + end - used + 3, '0')
    bytes.copy(moved, offset, used, end)
    const shift = used - offset
    do {
      result = reader.next(moved, used - shift, end - shift)
      used = reader.position + shift
      if (result === DATA) body.append(moved, reader.dataStart, reader.dataEnd)
    } while (result === DATA)
    if (result !== NEED_MORE) break
  }
  const trailers = reader.trailers?.lines() ?? null
  return { result, used, body: body.take().toString('latin1'), trailers, rejection: reader.rejection }
}
