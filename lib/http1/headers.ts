const UPPER_A = 0x41
const UPPER_Z = 0x5a

/** Fields as received: their text, and the positions of names and values in it. Strings are made on access. */
export class FieldBlock {
  readonly #text: string
  readonly #marks: readonly number[]

  /**
   * @param text latin1 text with the fields, validated by FieldLines
   * @param marks four offsets into it for each field: name start, name end, value start, value end
   */
  constructor(text: string, marks: readonly number[]) {
    this.#text = text
    this.#marks = marks
  }

  /**
   * The value of a field; undefined if there is none. Values of a repeated field are joined in order with ", " (RFC 9110 5.3),
   * those of `cookie` with "; " (RFC 9113 8.2.3).
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

  /** Whether there is a field `name`, given in lowercase. */
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

  /** Name and value of each field line, as received and in order. */
  lines(): [name: string, value: string][] {
    const marks = this.#marks
    const lines: [string, string][] = []
    for (let m = 0; m < marks.length; m += 4) {
      lines.push([this.#text.slice(marks[m], marks[m + 1]), this.#text.slice(marks[m + 2], marks[m + 3])])
    }
    return lines
  }

  /** All fields as a plain object with names in lowercase. It has no prototype, since a field may be named `__proto__`. */
  toObject(): Record<string, string> {
    const fields = Object.create(null) as Record<string, string>
    for (const [written, value] of this.lines()) {
      const name = written.toLowerCase()
      const earlier: string | undefined = fields[name]
      fields[name] = earlier === undefined ? value : earlier + (name === 'cookie' ? '; ' : ', ') + value
    }
    return fields
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

/** An empty block. */
export const NO_FIELDS = new FieldBlock('', [])

/** The `headers` of handlers: names in lowercase; a field that was not sent is undefined. */
export type RequestHeaders = Record<string, string | undefined>

/**
 * The target of the proxy that handlers get as `headers`. Single look-ups read the FieldBlock. When the fields are first listed
 * or changed, they are copied to an ordinary object, which serves all further accesses.
 *
 * The bag itself stays empty, since filling a bare object takes a third of the time. But frozen, sealed or non-configurable
 * fields must be on the proxy's target (a rule of the language), so in that case the fields move into the bag.
 */
class HeaderBag {
  [name: string]: string | undefined
  readonly #block: FieldBlock
  #extra: Readonly<Record<string, string>>
  /** The proxy; null until it is there. */
  #proxy: RequestHeaders | null = null
  #fields: Record<string, string | undefined> | null = null

  constructor(block: FieldBlock, extra: Readonly<Record<string, string>>) {
    this.#block = block
    this.#extra = extra
  }

  // `this` is the proxy. Without the copy, inspect would show the object behind the proxy.
  [Symbol.for('nodejs.util.inspect.custom')](): unknown {
    return { ...this }
  }

  // The `typeof` check excludes members of Object.prototype that `extra` inherits.
  static read(bag: HeaderBag, name: string): string | undefined {
    if (bag.#fields !== null) return bag.#fields[name]
    const extra = bag.#extra[name]
    return typeof extra === 'string' ? extra : bag.#block.get(name)
  }

  static holds(bag: HeaderBag, name: string): boolean {
    if (bag.#fields !== null) return Object.hasOwn(bag.#fields, name)
    return typeof bag.#extra[name] === 'string' || bag.#block.has(name)
  }

  /** Makes the proxy of a bag. */
  static proxyOf(bag: HeaderBag): RequestHeaders {
    return (bag.#proxy = new Proxy(bag, traps))
  }

  /** Whether a field could be set without a copy of all fields, as wrappers do for a request's id. */
  static put(bag: HeaderBag, name: string, value: unknown, receiver: unknown): boolean {
    if (bag.#fields !== null || receiver !== bag.#proxy || typeof value !== 'string') return false
    bag.#extra = { ...bag.#extra, [name]: value }
    return true
  }

  static listed(bag: HeaderBag): Record<string, string | undefined> {
    return (bag.#fields ??= Object.assign(bag.#block.toObject(), bag.#extra))
  }

  static moved(bag: HeaderBag): HeaderBag {
    const fields = HeaderBag.listed(bag)
    if (fields !== bag) bag.#fields = Object.defineProperties(bag, Object.getOwnPropertyDescriptors(fields))
    return bag
  }
}

// Otherwise `headers.constructor` and `headers.toString` would look like fields.
Object.setPrototypeOf(HeaderBag.prototype, null)
Reflect.deleteProperty(HeaderBag.prototype, 'constructor')

/** Key under which a bag gives its fields as an ordinary object. */
const listed = Symbol('listed')

// All requests share one set of traps, so that each allocates only two small objects.
const traps: ProxyHandler<HeaderBag> = {
  get(bag, key) {
    if (typeof key === 'string') return HeaderBag.read(bag, key)
    return key === listed ? HeaderBag.listed(bag) : Reflect.get(HeaderBag.listed(bag), key)
  },
  has: (bag, key) => (typeof key === 'string' ? HeaderBag.holds(bag, key) : Reflect.has(HeaderBag.listed(bag), key)),
  ownKeys: (bag) => Reflect.ownKeys(HeaderBag.listed(bag)),
  getOwnPropertyDescriptor: (bag, key) => Reflect.getOwnPropertyDescriptor(HeaderBag.listed(bag), key),
  set(bag, key, value, receiver) {
    if (typeof key === 'string' && HeaderBag.put(bag, key, value, receiver)) return true
    return Reflect.set(HeaderBag.listed(bag), key, value, receiver)
  },
  deleteProperty: (bag, key) => Reflect.deleteProperty(HeaderBag.listed(bag), key),
  defineProperty(bag, key, facts) {
    const fields = HeaderBag.listed(bag)
    const fixed = Object.hasOwn(fields, key) ? facts.configurable === false : facts.configurable !== true
    return Reflect.defineProperty(fixed ? HeaderBag.moved(bag) : fields, key, facts)
  },
  preventExtensions: (bag) => Reflect.preventExtensions(HeaderBag.moved(bag)),
  getPrototypeOf: (bag) => (Object.isExtensible(bag) ? null : Reflect.getPrototypeOf(bag)),
}

/**
 * The fields for handlers: an ordinary-looking object with lowercase names and no inherited members, whose strings are made on
 * access. Changes by a handler affect only this object.
 *
 * @param extra fields added by the server, with names in lowercase; they hide received fields of the same name
 */
export function requestHeaders(block: FieldBlock, extra: Readonly<Record<string, string>>): RequestHeaders {
  return HeaderBag.proxyOf(new HeaderBag(block, extra))
}

/** Name and value of each field, for code that needs them all: through the proxy that takes five times as long. */
export function headerEntries(headers: RequestHeaders): [name: string, value: string][] {
  const fields = (headers as { [listed]?: RequestHeaders })[listed] ?? headers
  const entries: [string, string][] = []
  for (const name of Object.keys(fields)) {
    const value = fields[name]
    if (value !== undefined) entries.push([name, value])
  }
  return entries
}
