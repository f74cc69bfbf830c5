import { wait, yieldNow, type Op } from '../../lev/index.js'

/** A source of pieces that returns promises. */
export interface PieceSource {
  next(): PromiseLike<IteratorResult<unknown, unknown>>
}

/** Limits of reading ahead, in characters or bytes, and in pieces. */
const mostAhead = 16 * 1024
const mostPieces = 256

/**
 * Reads a source of promises a little ahead, so that all pieces which it has ready cost one wake-up and one write.
 * The limits stop the source while a slow reader catches up.
 */
export class ReadAhead {
  readonly #source: PieceSource
  #pieces: unknown[] = []
  #size = 0
  #ended = false
  #failure: { readonly error: unknown } | null = null
  #running = false
  #stopped = false
  #wake: (() => void) | null = null

  constructor(source: PieceSource) {
    this.#source = source
  }

  /**
   * The next pieces, at least one; null at the end.
   * @throws the source's error, after all pieces before it
   */
  *take(): Op<unknown[] | null> {
    if (this.#pieces.length === 0) {
      this.#run()
      // If cancelled here, the promise is abandoned.
      if (!this.#isReady) yield* wait(new Promise<void>((resolve) => (this.#wake = resolve)))
      if (this.#pieces.length > 0 && !this.#ended) yield* yieldNow()
    }
    if (this.#pieces.length === 0) {
      if (this.#failure !== null) throw this.#failure.error
      return null
    }
    const pieces = this.#pieces
    this.#pieces = []
    this.#size = 0
    this.#run()
    return pieces
  }

  /** Stops reading and drops the pieces read ahead. */
  stop(): void {
    this.#stopped = true
    this.#pieces = []
  }

  get #isReady(): boolean {
    return this.#pieces.length > 0 || this.#ended
  }

  #run(): void {
    if (this.#running || this.#ended || this.#stopped) return
    this.#running = true
    this.#read().catch((error: unknown) => {
      this.#failure = { error }
      this.#ended = true
    }).finally(() => {
      this.#running = false
      this.#tell()
    })
  }

  async #read(): Promise<void> {
    while (!this.#stopped && this.#size < mostAhead && this.#pieces.length < mostPieces) {
      const { done, value } = await this.#source.next()
      if (done === true) {
        this.#ended = true
        return
      }
      this.#pieces.push(value)
      if (typeof value === 'string' || value instanceof Uint8Array) this.#size += value.length
      this.#tell()
    }
  }

  #tell(): void {
    this.#wake?.()
    this.#wake = null
  }
}
