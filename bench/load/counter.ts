import { closeSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs'

/**
 * How many requests a load has sent so far, in a file of 8 bytes (a double): the load writes it while it runs, the
 * benchmark reads it whenever it looks at the server's CPU time. So both are about the same requests, whatever the server.
 */
export class CounterFile {
  readonly path: string
  readonly #file: number
  readonly #bytes = Buffer.alloc(8)

  /** Makes it anew, at zero. */
  constructor(path: string) {
    writeFileSync(path, this.#bytes)
    this.path = path
    this.#file = openSync(path, 'r')
  }

  read(): number {
    readSync(this.#file, this.#bytes, 0, 8, 0)
    return this.#bytes.readDoubleLE()
  }

  close(): void {
    closeSync(this.#file)
  }
}

/** The load's side of it. */
export class Count {
  readonly #file: number
  readonly #bytes = Buffer.alloc(8)
  #written = 0
  value = 0

  constructor(path: string) {
    this.#file = openSync(path, 'r+')
  }

  add(more: number): void {
    this.value += more
    const now = performance.now()
    // Not each time: that would cost the load more than the sending.
    if (now - this.#written > 1) this.write(now)
  }

  write(now = performance.now()): void {
    this.#written = now
    this.#bytes.writeDoubleLE(this.value)
    writeSync(this.#file, this.#bytes, 0, 8, 0)
  }
}
