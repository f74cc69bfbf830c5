import { isToken } from '../../http1/grammar.js'
import type { ResponseParts } from '../../request/handler.js'
import { Fields, fieldsOf } from './fields.js'
import { finish, Light, makeHeaders, makeReal } from './light.js'

const PlatformResponse = Response

/** A Response of a whole text or bytes, which the server sends without asking the platform for a stream of it. */
export class LightResponse extends Light<Response> {
  readonly #content: Buffer | string | null
  readonly #status: number
  readonly #fields: Fields

  constructor(content: Buffer | string | null, status: number, fields: Fields) {
    super(content)
    this.#content = content
    this.#status = status
    this.#fields = fields
  }

  /** What to send, once; null if it has become a real Response, or was read. */
  static parts(light: LightResponse): ResponseParts | null {
    const taken = Light.take(light)
    if (taken === null) return null
    return [taken.content, light.#status, taken.headers === null ? light.#fields : fieldsOf(taken.headers)]
  }

  get status(): number {
    return this.#status
  }

  get ok(): boolean {
    return this.#status >= 200 && this.#status < 300
  }

  [makeReal](): Response {
    return new PlatformResponse(this.#content, { status: this.#status, headers: this[makeHeaders]() })
  }

  [makeHeaders](): Headers {
    const headers = new Headers()
    for (const [name, value] of Object.entries(this.#fields)) {
      for (const one of typeof value === 'string' ? [value] : value ?? []) headers.append(name, one)
    }
    return headers
  }
}

finish(LightResponse, PlatformResponse)

/** A light Response if one can be made of the arguments of `new Response`; null leaves it to the platform, errors included. */
export function lightResponse(body: unknown, init: unknown): LightResponse | null {
  const isText = typeof body === 'string'
  if (!isText && body !== null && body !== undefined && !(body instanceof Uint8Array)) return null
  const { status = 200, statusText, headers } = (init ?? {}) as Record<string, unknown>
  if (typeof init === 'function' || (init !== undefined && init !== null && typeof init !== 'object')) return null
  if ((statusText !== undefined && statusText !== '') || !Number.isInteger(status)) return null
  const code = status as number
  const content = isText ? body : body instanceof Uint8Array ? Buffer.from(body) : null
  if (code < 200 || code > 599 || (content !== null && (code === 204 || code === 205 || code === 304))) return null
  const fields = headers === undefined ? new Fields() : simpleFields(headers)
  if (fields === null) return null
  if (isText && fields['content-type'] === undefined) fields['content-type'] = 'text/plain;charset=UTF-8'
  return new LightResponse(content, code, fields)
}

/** The fields of Headers, or of a plain object with nothing that the standard rejects or changes; else null. */
function simpleFields(headers: unknown): Fields | null {
  if (headers instanceof Headers) return fieldsOf(headers)
  if (typeof headers !== 'object' || headers === null || Object.getPrototypeOf(headers) !== Object.prototype) return null
  if (Symbol.iterator in headers) return null
  const fields = new Fields()
  for (const [written, value] of Object.entries(headers)) {
    const name = written.toLowerCase()
    if (typeof value !== 'string' || !isToken(name) || !isSimpleValue(value) || fields[name] !== undefined) return null
    fields[name] = value
  }
  return fields
}

function isSimpleValue(value: string): boolean {
  return /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value)
}
