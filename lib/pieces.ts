import type { Op } from '../lev/index.js'
import { BodyBuffer } from './http1/body-buffer.js'

/** Content that arrives piece by piece. */
export interface Pieces {
  /** The next piece, never empty; null at the end. @throws the errors of the source: of a request's body, BodyError */
  next(): Op<Buffer | null>
}

/** Content that has arrived, as one piece. */
export class OnePiece implements Pieces {
  #bytes: Buffer | null

  /** @param bytes null or empty: no content */
  constructor(bytes: Buffer | null) {
    this.#bytes = bytes === null || bytes.length === 0 ? null : bytes
  }

  *next(): Op<Buffer | null> {
    const bytes = this.#bytes
    this.#bytes = null
    return bytes
  }
}

/** Joins all remaining pieces; a single piece is returned without a copy. */
export function* readAll(next: () => Op<Buffer | null>): Op<Buffer> {
  const first = (yield* next()) ?? Buffer.alloc(0)
  let all: BodyBuffer | null = null
  for (let piece = yield* next(); piece !== null; piece = yield* next()) {
    if (all === null) {
      all = new BodyBuffer()
      all.append(first, 0, first.length)
    }
    all.append(piece, 0, piece.length)
  }
  return all === null ? first : all.take()
}
