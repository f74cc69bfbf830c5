import { Blob } from 'node:buffer'
import { Readable } from 'node:stream'
import type { ReadableStream, ReadableStreamDefaultReader } from 'node:stream/web'
import { scope, yieldNow, type Op } from '../../lev/index.js'
import { ResponseError } from '../http1/response-headers.js'
import type { Out } from './out.js'
import { ReadAhead, type PieceSource } from './read-ahead.js'

/** A piece of content; a string is sent as UTF-8. */
type Piece = string | Uint8Array

/** Content written by a coroutine, which may wait anywhere and is cancelled when its client disconnects. */
export type Writer = (out: Out) => Op<void>

/** Content that arrives piece by piece. */
export type StreamingContent =
  | Writer
  | Iterable<Piece>
  | AsyncIterable<Piece>
  | ReadableStream
  | Readable
  | Blob

/** Receives the pieces of a content source. */
export interface ContentSink extends Out {
  /** Adds a piece, without waiting. @throws ResponseError if it is not a string or bytes, or exceeds the announced length */
  put(piece: unknown): void
  /** True when the caller of `put` must `yield* waitForDrain()` before the next piece. */
  readonly needsDrain: boolean
  waitForDrain(): Op<void>
}

/** The common interface of all kinds of streaming content. Either `writeTo` or `cancel` is called, once. */
export interface ContentSource {
  /** Length in bytes; -1 if unknown. */
  readonly length: number
  /** Media type; "" if unknown. */
  readonly type: string
  /** Puts all of the content into `sink`, waiting where it must, and closes the source on every path. */
  writeTo(sink: ContentSink): Op<void>
  /** Closes the source without running it. */
  cancel(): void
}

/** Content that makes its own source; it belongs to the handler's scope until it is returned. */
interface SelfSource {
  [contentSource](): ContentSource
  /** Lets the content outlive its scope: from here on it ends by `writeTo` or `cancel`. */
  [handOver](): void
}

export const contentSource = Symbol('contentSource')
export const handOver = Symbol('handOver')

/** Pieces of an iterator, even empty ones, before other tasks get a turn: an endless iterator must not block them. */
const piecesAtOnce = 1024

/** The source of streaming content; null if `content` does not stream. An array does not: `[content, status]` is a response. */
export function contentSourceOf(content: unknown): ContentSource | null {
  if (typeof content === 'function') return written(content as Writer)
  if (typeof content !== 'object' || content === null || Array.isArray(content) || ArrayBuffer.isView(content)) return null
  if (contentSource in content) return (content as SelfSource)[contentSource]()
  if (content instanceof Blob) return { ...reading(() => content.stream()), length: content.size, type: content.type }
  if (content instanceof Readable) return readable(content)
  if (isWebStream(content)) return reading(() => content)
  if (Symbol.asyncIterator in content) return asynchronous(content as AsyncIterable<unknown>)
  if (Symbol.iterator in content) return iterated(content as Iterable<unknown>)
  return null
}

/** Moves the content of a handler's result from the handler's scope to its response. */
export function takeOver(given: unknown): void {
  const content: unknown = Array.isArray(given) ? given[0] : given
  if (typeof content === 'object' && content !== null && handOver in content) (content as SelfSource)[handOver]()
}

/** Closes the content of a handler's result that is not sent. */
export function cancelContent(given: unknown): void {
  try {
    contentSourceOf(Array.isArray(given) ? given[0] : given)?.cancel()
  } catch {
    // An error on closing no longer matters to the response.
  }
}

function written(writer: Writer): ContentSource {
  return {
    length: -1,
    type: '',
    *writeTo(sink) {
      const writing: unknown = writer(sink)
      if (typeof writing !== 'object' || writing === null || !('next' in writing) || !(Symbol.iterator in writing)) {
        if (writing instanceof Promise) writing.catch(() => {})
        throw new ResponseError(null, 'a function is content only as a generator function: function* (out) { yield* out.write(...) }')
      }
      // Tasks that it spawns may write too, and are waited for.
      yield* scope(() => writing as Op<void>)
    },
    cancel() {},
  }
}

function iterated(content: Iterable<unknown>): ContentSource {
  return {
    length: -1,
    type: '',
    *writeTo(sink) {
      let count = 0
      // Leaving the loop in any way closes the iterator.
      for (const piece of content) {
        sink.put(piece)
        if (sink.needsDrain) yield* sink.waitForDrain()
        else if (++count % piecesAtOnce === 0) yield* yieldNow()
      }
    },
    cancel() {
      content[Symbol.iterator]().return?.()
    },
  }
}

/** The source of an async iterable. */
export function asynchronous(content: AsyncIterable<unknown>): ContentSource {
  const close = (iterator: AsyncIterator<unknown>): void => {
    // An async generator that is waiting handles this only afterwards: do not wait for it. Its error then is dropped.
    iterator.return?.().then(undefined, () => {})
  }
  return {
    length: -1,
    type: '',
    *writeTo(sink) {
      const iterator = content[Symbol.asyncIterator]()
      yield* pump(sink, iterator, () => close(iterator))
    },
    cancel: () => close(content[Symbol.asyncIterator]()),
  }
}

function readable(content: Readable): ContentSource {
  const close = (): void => {
    // An error during closing, as of a file that is not open yet, has no consequence, but must not be unhandled.
    content.on('error', () => {})
    content.destroy()
  }
  return {
    length: -1,
    type: '',
    *writeTo(sink) {
      yield* pump(sink, content[Symbol.asyncIterator](), close)
    },
    cancel: close,
  }
}

function reading(open: () => ReadableStream): ContentSource {
  return {
    length: -1,
    type: '',
    *writeTo(sink) {
      const reader = readerOf(open())
      yield* pump(sink, { next: () => reader.read() }, () => {
        reader.cancel('the content is not wanted any more').catch(() => {})
      })
    },
    cancel() {
      const stream = open()
      if (!stream.locked) stream.cancel('the content is not wanted').catch(() => {})
    },
  }
}

function readerOf(stream: ReadableStream): ReadableStreamDefaultReader {
  if (stream.locked) throw new ResponseError(null, 'the content is a ReadableStream that is locked: it has another reader')
  return stream.getReader()
}

/** Puts the pieces of `source` into `sink`; `close` is called unless the source came to its end. */
function* pump(sink: ContentSink, source: PieceSource, close: () => void): Op<void> {
  const ahead = new ReadAhead(source)
  let ended = false
  try {
    for (;;) {
      const pieces = yield* ahead.take()
      if (pieces === null) break
      for (const piece of pieces) {
        sink.put(piece)
        if (sink.needsDrain) yield* sink.waitForDrain()
      }
    }
    ended = true
  } finally {
    ahead.stop()
    if (!ended) close()
  }
}

function isWebStream(content: object): content is ReadableStream {
  return 'getReader' in content && typeof content.getReader === 'function'
}
