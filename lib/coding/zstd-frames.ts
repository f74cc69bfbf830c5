/** Largest window of a frame, in bytes: what a sender may require of HTTP (RFC 9659 section 3). A decoder reserves this much. */
export const zstdWindowLimit = 8 * 2 ** 20

/** First bytes of a frame, and of a skippable one, whose first byte is from 0x50 to 0x5f (RFC 8878 sections 3.1.1 and 3.1.2). */
const frameMark = [0x28, 0xb5, 0x2f, 0xfd]
const skippableMark = [0x50, 0x2a, 0x4d, 0x18]

/** Bytes of the Frame_Content_Size and the Dictionary_ID, by their flags (3.1.1.1.1); of the first, 1 in a single segment. */
const contentSizeBytes = [0, 2, 4, 8]
const dictionaryBytes = [0, 1, 2, 4]

const longestHead = 18
const checksumBytes = 4

type Part = 'mark' | 'skippable' | 'descriptor' | 'header' | 'block' | 'checksum'

/** Finds the ends of Zstandard frames (RFC 8878 section 3.1), and what forbids to decode them, without decoding them. */
export class ZstdFrames {
  /** Complete frames so far. */
  count = 0
  /** Why the content cannot be decoded; null: nothing is wrong so far. */
  fault: string | null = null
  /** The part of the frame whose bytes `#head` collects. */
  #part: Part = 'mark'
  readonly #head = Buffer.alloc(longestHead)
  #have = 0
  #need = frameMark.length
  /** Bytes of the present block, or of the skippable frame, that are still to come. */
  #left = 0
  /** Whether the frame ends with them. */
  #last = false
  #hasChecksum = false

  /** Whether the content may end here. */
  get isComplete(): boolean {
    return this.#part === 'mark' && this.#have === 0 && this.count > 0
  }

  /** Reads the next bytes. @returns the bytes up to the end of the frame; all of them if it does not end in them */
  read(bytes: Buffer): number {
    const before = this.count
    let at = 0
    while (at < bytes.length && this.count === before && this.fault === null) {
      if (this.#left === 0) {
        this.#collect(bytes[at++])
      } else {
        const size = Math.min(this.#left, bytes.length - at)
        at += size
        this.#left -= size
        if (this.#left === 0) this.#afterBytes()
      }
    }
    return at
  }

  #collect(byte: number): void {
    this.#head[this.#have++] = byte
    if (this.#part === 'mark' && !this.#mayBegin()) this.fault = 'not a frame'
    else if (this.#have === this.#need) this.#parse()
  }

  #mayBegin(): boolean {
    const mark = this.#isSkippable() ? skippableMark : frameMark
    const last = this.#have - 1
    return this.#head[last] === mark[last] || (last === 0 && mark === skippableMark)
  }

  #isSkippable(): boolean {
    return this.#head[0] >> 4 === skippableMark[0] >> 4
  }

  #parse(): void {
    const head = this.#head
    switch (this.#part) {
      case 'mark':
        if (this.#isSkippable()) return this.#expect('skippable', 4)
        return this.#expect('descriptor', 1)
      case 'skippable':
        return this.#skip(head.readUInt32LE(0), true)
      case 'descriptor': {
        const [descriptor] = head
        if ((descriptor & 0x08) !== 0) this.fault = 'a reserved bit is set'
        this.#hasChecksum = (descriptor & 0x04) !== 0
        return this.#grow('header', headerBytes(descriptor))
      }
      case 'header':
        this.#checkHeader()
        return this.#expect('block', 3)
      case 'block': {
        const block = head.readUIntLE(0, 3)
        const type = block >> 1 & 3
        if (type === 3) {
          this.fault = 'a block of a reserved type'
          return
        }
        // Of a block of type 1, one byte repeated, only that byte is sent.
        return this.#skip(type === 1 ? 1 : block >> 3, (block & 1) === 1)
      }
      case 'checksum':
        return this.#end()
    }
  }

  /** Checks window and dictionary (3.1.1.1). The descriptor and all after it are in `#head`. */
  #checkHeader(): void {
    const head = this.#head
    const [descriptor] = head
    const single = isSingle(descriptor)
    const idAt = single ? 1 : 2
    const idSize = dictionaryBytes[descriptor & 3]
    if (idSize > 0 && head.readUIntLE(idAt, idSize) !== 0) this.fault = 'a dictionary is needed'
    if (windowOf(head, single, idAt + idSize) > zstdWindowLimit) this.fault = `the window has more than ${zstdWindowLimit} bytes`
  }

  /** After the bytes of a block or of a skippable frame. */
  #afterBytes(): void {
    if (!this.#last) this.#expect('block', 3)
    else if (this.#hasChecksum) this.#expect('checksum', checksumBytes)
    else this.#end()
  }

  #skip(size: number, last: boolean): void {
    this.#left = size
    this.#last = last
    if (size === 0) this.#afterBytes()
  }

  #end(): void {
    this.count++
    this.#hasChecksum = false
    this.#expect('mark', frameMark.length)
  }

  #expect(part: Part, bytes: number): void {
    this.#have = 0
    this.#grow(part, bytes)
  }

  /** Keeps the bytes so far, and collects more. */
  #grow(part: Part, bytes: number): void {
    this.#part = part
    this.#need = this.#have + bytes
  }
}

function isSingle(descriptor: number): boolean {
  return (descriptor & 0x20) !== 0
}

/** Bytes of the header after its descriptor; at least 1. */
function headerBytes(descriptor: number): number {
  const single = isSingle(descriptor)
  const contentSize = contentSizeBytes[descriptor >> 6] || (single ? 1 : 0)
  return (single ? 0 : 1) + dictionaryBytes[descriptor & 3] + contentSize
}

/** Bytes of the window: those of the content in a single segment, else by the Window_Descriptor (3.1.1.1.2). */
function windowOf(head: Buffer, single: boolean, contentSizeAt: number): number {
  if (!single) {
    const base = 2 ** (10 + (head[1] >> 3))
    return base + base / 8 * (head[1] & 7)
  }
  switch (head[0] >> 6) {
    case 0: return head[contentSizeAt]
    case 1: return head.readUInt16LE(contentSizeAt) + 256
    case 2: return head.readUInt32LE(contentSizeAt)
    default: return Number(head.readBigUInt64LE(contentSizeAt))
  }
}
