const UPPER_A = 0x41
const UPPER_Z = 0x5a

/** Fields as they came: their text, and where in it each name and value is. Strings are made when asked for. */
export class FieldBlock {
  readonly #text: string
  readonly #marks: readonly number[]

  /**
   * @param text latin1 text that holds the fields, checked by FieldLines
   * @param marks four offsets into it for each field: name start, name end, value start, value end
   */
  constructor(text: string, marks: readonly number[]) {
    this.#text = text
    this.#marks = marks
  }

  /** Number of field lines. */
  get size(): number {
    return this.#marks.length / 4
  }

  /**
   * The value of a field, undefined when there is none. Values of a repeated field are joined, in order, by ", "
   * (RFC 9110 5.3), those of `cookie` by "; " (RFC 9113 8.2.3).
   *
   * @param name in lowercase
   */
  get(name: string): string | undefined {
    const marks = this.#marks
    let value: string | undefined
    for (let m = 0; m < marks.length; m += 4) {
      if (marks[m + 1] - marks[m] !== name.length || !this.#isNamed(marks[m], name)) continue
      const one = this.#text.slice(marks[m + 2], marks[m + 3])
      value = value === undefined ? one : value + (name === 'cookie' ? '; ' : ', ') + one
    }
    return value
  }

  /** Whether a field is there. `name` in lowercase. */
  has(name: string): boolean {
    const marks = this.#marks
    for (let m = 0; m < marks.length; m += 4) {
      if (marks[m + 1] - marks[m] === name.length && this.#isNamed(marks[m], name)) return true
    }
    return false
  }

  /** The names in lowercase, each once, in the order of their first appearance. */
  names(): string[] {
    const names = new Set<string>()
    for (const [name] of this.lines()) names.add(name.toLowerCase())
    return [...names]
  }

  /** Name and value of each field line, as sent and in order. */
  lines(): [name: string, value: string][] {
    const marks = this.#marks
    const lines: [string, string][] = []
    for (let m = 0; m < marks.length; m += 4) {
      lines.push([this.#text.slice(marks[m], marks[m + 1]), this.#text.slice(marks[m + 2], marks[m + 3])])
    }
    return lines
  }

  /** A plain object of everything, names in lowercase, with no prototype: a field may be named `__proto__`. */
  toObject(): Record<string, string> {
    return this.fill(Object.create(null) as Record<string, string>)
  }

  /** Puts every field into `target`, which must have no prototype chain to speak of, and returns it. Linear time. */
  fill<T extends Record<string, string | undefined>>(target: T): T {
    const into: Record<string, string | undefined> = target
    for (const [written, value] of this.lines()) {
      const name = written.toLowerCase()
      const earlier = into[name]
      into[name] = earlier === undefined ? value : earlier + (name === 'cookie' ? '; ' : ', ') + value
    }
    return target
  }

  #isNamed(from: number, name: string): boolean {
    const text = this.#text
    for (let k = 0; k < name.length; k++) {
      const code = text.charCodeAt(from + k)
      if ((code >= UPPER_A && code <= UPPER_Z ? code | 0x20 : code) !== name.charCodeAt(k)) return false
    }
    return true
  }
}

/** No fields at all. */
export const NO_FIELDS = new FieldBlock('', [])

/** What handlers see as `headers`: names in lowercase; a field that was not sent is undefined. */
export type RequestHeaders = Record<string, string | undefined>

/**
 * The object behind a handler's `headers`. It answers single look-ups from the FieldBlock, and turns itself into an
 * ordinary object holding every field the first time it is listed or changed; from then on it is only that object.
 */
class HeaderBag {
  [name: string]: string | undefined
  #block: FieldBlock | null
  #extra: Readonly<Record<string, string>>

  constructor(block: FieldBlock, extra: Readonly<Record<string, string>>) {
    this.#block = block
    this.#extra = extra
  }

  // `this` is the proxy here. A plain copy, or inspect would show the object behind the proxy: empty at first.
  [Symbol.for('nodejs.util.inspect.custom')](): unknown {
    return { ...this }
  }

  // `typeof` keeps the members of Object.prototype that `extra` inherits from passing for fields.
  static read(bag: HeaderBag, name: string): string | undefined {
    const block = bag.#block
    if (block === null) return bag[name]
    const extra = bag.#extra[name]
    return typeof extra === 'string' ? extra : block.get(name)
  }

  static holds(bag: HeaderBag, name: string): boolean {
    const block = bag.#block
    if (block === null) return Reflect.has(bag, name)
    return typeof bag.#extra[name] === 'string' || block.has(name)
  }

  static settled(bag: HeaderBag): HeaderBag {
    const block = bag.#block
    if (block !== null) {
      bag.#block = null
      Object.assign(block.fill(bag), bag.#extra)
    }
    return bag
  }
}

// Without this `headers.constructor` and `headers.toString` would look like fields that were sent.
Object.setPrototypeOf(HeaderBag.prototype, null)
Reflect.deleteProperty(HeaderBag.prototype, 'constructor')

// One set of traps for all requests: a Proxy costs two small objects and no closure.
const traps: ProxyHandler<HeaderBag> = {
  get: (bag, key) => (typeof key === 'string' ? HeaderBag.read(bag, key) : Reflect.get(bag, key)),
  has: (bag, key) => (typeof key === 'string' ? HeaderBag.holds(bag, key) : Reflect.has(bag, key)),
  ownKeys: (bag) => Reflect.ownKeys(HeaderBag.settled(bag)),
  getOwnPropertyDescriptor: (bag, key) => Reflect.getOwnPropertyDescriptor(HeaderBag.settled(bag), key),
  set: (bag, key, value, receiver) => Reflect.set(HeaderBag.settled(bag), key, value, receiver),
  defineProperty: (bag, key, facts) => Reflect.defineProperty(HeaderBag.settled(bag), key, facts),
  deleteProperty: (bag, key) => Reflect.deleteProperty(HeaderBag.settled(bag), key),
  preventExtensions: (bag) => Reflect.preventExtensions(HeaderBag.settled(bag)),
  getPrototypeOf: (bag) => (Object.isExtensible(bag) ? null : Reflect.getPrototypeOf(bag)),
}

/**
 * The fields as handlers see them: an ordinary-looking object with lowercase names and no inherited members, whose
 * strings are made when they are looked at. What a handler writes or deletes stays in this object.
 *
 * @param extra fields of the server's own, names in lowercase; they hide fields of the same name that were sent
 */
export function requestHeaders(block: FieldBlock, extra: Readonly<Record<string, string>>): RequestHeaders {
  return new Proxy(new HeaderBag(block, extra), traps)
}
