/**
 * HalfSipHash-2-4 with 64 bits (Aumasson and Bernstein, "SipHash: a fast short-input PRF"), over the UTF-16 code units of a string,
 * each as two bytes, the lower one first. Without its key nobody can choose strings that collide.
 */
export class KeyedHash {
  /** The lower 32 bits of the last hash, unsigned. */
  low = 0
  /** The upper 32 bits. */
  high = 0
  readonly #keyLow: number
  readonly #keyHigh: number
  readonly #v = new Int32Array(4)

  /** @param keyLow 32 random bits @param keyHigh 32 more */
  constructor(keyLow: number, keyHigh: number) {
    this.#keyLow = keyLow
    this.#keyHigh = keyHigh
  }

  /** Sets `low` and `high` to the hash of `text`. */
  update(text: string): void {
    const v = this.#v
    v[0] = this.#keyLow
    v[1] = this.#keyHigh ^ 0xee
    v[2] = 0x6c796765 ^ this.#keyLow
    v[3] = 0x74656462 ^ this.#keyHigh
    const { length } = text
    const even = length & ~1
    for (let index = 0; index < even; index += 2) absorb(v, text.charCodeAt(index) | text.charCodeAt(index + 1) << 16)
    absorb(v, (length * 2 & 0xff) << 24 | (even < length ? text.charCodeAt(even) : 0))
    v[2] ^= 0xee
    mix(v, 4)
    this.low = (v[1] ^ v[3]) >>> 0
    v[1] ^= 0xdd
    mix(v, 4)
    this.high = (v[1] ^ v[3]) >>> 0
  }
}

function absorb(v: Int32Array, word: number): void {
  v[3] ^= word
  mix(v, 2)
  v[0] ^= word
}

function mix(v: Int32Array, rounds: number): void {
  let [v0, v1, v2, v3] = [v[0], v[1], v[2], v[3]]
  for (let round = 0; round < rounds; round++) {
    v0 = v0 + v1 | 0
    v1 = (v1 << 5 | v1 >>> 27) ^ v0
    v0 = v0 << 16 | v0 >>> 16
    v2 = v2 + v3 | 0
    v3 = (v3 << 8 | v3 >>> 24) ^ v2
    v0 = v0 + v3 | 0
    v3 = (v3 << 7 | v3 >>> 25) ^ v0
    v2 = v2 + v1 | 0
    v1 = (v1 << 13 | v1 >>> 19) ^ v2
    v2 = v2 << 16 | v2 >>> 16
  }
  v[0] = v0
  v[1] = v1
  v[2] = v2
  v[3] = v3
}
