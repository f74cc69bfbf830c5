import { breathe, wait, type Op } from '../../lev/index.js'

/** Where pieces come from, by promises. */
export interface PieceSource {
  next(): PromiseLike<IteratorResult<unknown, unknown>>
}

/** Characters or bytes, and pieces, that are read ahead of their being sent. */
const mostAhead = 16 * 1024
const mostPieces = 256

/**
 * Reads a source of promises a little ahead, so that a source of many small pieces costs one wake-up, and one write,
 * for all that it has at once. How much is waited for is bounded: a slow reader stops the source.
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
   * The next pieces, one at least; null at the end.
   * @throws what the source throws, behind all pieces that it gave before
   */
  *take(): Op<unknown[] | null> {
    if (this.#pieces.length === 0) {
      this.#run()
      // Cancelled here, the promise is left to itself.
      if (!this.#isReady) yield* wait(new Promise<void>((resolve) => (this.#wake = resolve)))
      if (this.#pieces.length > 0 && !this.#ended) yield* breathe()
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

  /** Nothing more is read. */
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
