import { arrayBufferOf, textOf } from './decode.js'

/** Key of the method that makes the object of the platform for a light one. */
export const makeReal = Symbol('makeReal')
/** Key of the method that makes the Headers of a light object. */
export const makeHeaders = Symbol('makeHeaders')

/**
 * Stands for a Request or a Response of the platform. It has the content, and makes the real object when something needs that;
 * from then on the real one has the content. `finish` completes the prototype of a subclass.
 */
export abstract class Light<Real extends Request | Response> {
  readonly #content: Buffer | string | null
  #real: Real | null = null
  /** Headers that an application has got, and may change. */
  #headers: Headers | null = null
  /** The content was read before there was a real object. */
  #wasRead = false

  constructor(content: Buffer | string | null) {
    this.#content = content
  }

  abstract [makeReal](): Real
  abstract [makeHeaders](): Headers

  static is(value: unknown): value is Light<Request | Response> {
    return typeof value === 'object' && value !== null && #real in value
  }

  /** The real object for a light one; any other value as it is. */
  static real(value: unknown): unknown {
    return Light.is(value) ? value.#become() : value
  }

  /** The content, which then was read, and the exposed headers; null if there is a real object, or the content was read before. */
  static take(light: Light<Request | Response>): { content: Buffer | string | null; headers: Headers | null } | null {
    if (light.#real !== null || light.#wasRead) return null
    light.#wasRead = light.#content !== null
    return { content: light.#content, headers: light.#headers }
  }

  get headers(): Headers {
    return this.#headers ??= this.#real?.headers ?? this[makeHeaders]()
  }

  get bodyUsed(): boolean {
    return this.#real === null ? this.#wasRead : this.#real.bodyUsed
  }

  async text(): Promise<string> {
    const content = this.#take()
    return content === null ? this.#become().text() : textOf(content)
  }

  async json(): Promise<unknown> {
    const content = this.#take()
    return content === null ? this.#become().json() : JSON.parse(textOf(content))
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    const content = this.#take()
    return content === null ? this.#become().arrayBuffer() : arrayBufferOf(content)
  }

  /** The content, once; null if the real object has it. @throws TypeError if it was read already */
  #take(): Buffer | string | null {
    if (this.#real !== null || this.#content === null) return null
    if (this.#wasRead) throw new TypeError('Body is unusable: Body has already been read')
    this.#wasRead = true
    return this.#content
  }

  #become(): Real {
    let real = this.#real
    if (real === null) {
      real = this[makeReal]()
      this.#real = real
      if (this.#wasRead) void real.arrayBuffer()
    }
    if (this.#headers !== null && this.#headers !== real.headers) replace(real.headers, this.#headers)
    return real
  }
}

function replace(headers: Headers, by: Headers): void {
  for (const name of [...headers.keys()]) headers.delete(name)
  for (const [name, value] of by) headers.append(name, value)
}

/**
 * Puts a subclass of Light under the class of the platform that it stands for: `instanceof` is right, and the members that it
 * does not have itself are those of the real object.
 */
export function finish(subclass: { readonly prototype: object }, platform: { readonly prototype: object }): void {
  const { prototype } = subclass
  const own = Object.getOwnPropertyDescriptors(prototype)
  const inherited = Object.getOwnPropertyDescriptors(Light.prototype)
  const members = { ...inherited, ...own } as Record<string, PropertyDescriptor>
  for (const [name, facts] of Object.entries(Object.getOwnPropertyDescriptors(platform.prototype))) {
    members[name] = { ...facts, ...delegating(name, facts, members[name]) }
  }
  Object.setPrototypeOf(prototype, platform.prototype)
  Object.defineProperties(prototype, members)
  // That of the platform's class is inherited: `new request.constructor(request)` makes a Request.
  Reflect.deleteProperty(prototype, 'constructor')
}

function delegating(name: string, facts: PropertyDescriptor, member: PropertyDescriptor | undefined): PropertyDescriptor {
  if (facts.get !== undefined) {
    return { get: member?.get ?? function get(this: unknown) { return Reflect.get(Light.real(this) as object, name) as unknown } }
  }
  if (typeof facts.value !== 'function') return {}
  if (member !== undefined) return { value: member.value as unknown }
  return {
    value: function delegated(this: unknown, ...args: unknown[]): unknown {
      const real = Light.real(this) as Record<string, (...args: unknown[]) => unknown>
      return real[name](...args)
    },
  }
}
