/** Characters to examine; after these, the output is not a response, or begins with more than a few interim ones. */
const mostText = 4096

const STATUS = /^HTTP\/1\.[01] ([1-5][0-9]{2})[ \r\n]/
const END_OF_HEAD = /\r?\n\r?\n/

/** Finds the status of a response in the bytes that a handler writes itself, skipping interim responses before it. */
export class StatusReader {
  /** Undefined until it was found. */
  status: number | undefined = undefined
  #text = ''

  /** Reads the next bytes. Returns whether to continue with more. */
  read(data: Buffer | string): boolean {
    this.#text += typeof data === 'string' ? data.slice(0, mostText) : data.toString('latin1', 0, mostText)
    for (;;) {
      const status = Number(STATUS.exec(this.#text)?.[1] ?? 0)
      if (status >= 200 || status === 101) {
        this.status = status
        return false
      }
      const end = status === 0 ? null : END_OF_HEAD.exec(this.#text)
      if (end === null) return this.#text.length < mostText
      this.#text = this.#text.slice(end.index + end[0].length)
    }
  }
}
