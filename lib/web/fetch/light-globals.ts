import { Light } from './light.js'
import { lightResponse } from './light-response.js'

const platform = { Request: globalThis.Request, Response: globalThis.Response, fetch: globalThis.fetch }

// Proxies: with the prototypes of the platform's classes `instanceof` is right for both kinds, and so are subclasses.

const LightAwareRequest: typeof Request = new Proxy(platform.Request, {
  construct: (real, given, target) => construct(real, withReal(given), target === LightAwareRequest ? real : target),
})

const LightableResponse: typeof Response = new Proxy(platform.Response, {
  construct(real, given: unknown[], target) {
    if (target !== LightableResponse) return construct(real, given, target)
    return lightResponse(given[0], given[1]) ?? construct(real, given, real)
  },
  get: (real, name, receiver) => (name === 'json' ? json : Reflect.get(real, name, receiver) as unknown),
})

const lightAwareFetch: typeof fetch = new Proxy(platform.fetch, {
  apply: (real, self, given: unknown[]) => Reflect.apply(real, self, withReal(given)) as unknown,
})

function construct(real: object, given: unknown[], target: unknown): object {
  return Reflect.construct(real as new () => object, given, target as new () => object)
}

function withReal(given: unknown[]): unknown[] {
  return given.map((value, index) => (index === 0 ? Light.real(value) : value))
}

function json(data: unknown, init?: ResponseInit): Response {
  const text = init?.headers === undefined ? JSON.stringify(data) as string | undefined : undefined
  if (text === undefined) return platform.Response.json(data, init)
  const { status, statusText } = init ?? {}
  return new LightableResponse(text, { status, statusText, headers: { 'content-type': 'application/json' } })
}

const light: Record<string, unknown> = { Request: LightAwareRequest, Response: LightableResponse, fetch: lightAwareFetch }

let active = false
/** The globals as they were. */
const found = new Map<string, PropertyDescriptor>()

/** Whether `lightGlobals` is in force. */
export function areLight(): boolean {
  return active
}

/**
 * Replaces the globals `Request`, `Response` and `fetch` of this process, for speed. Applications then get light Requests, and
 * `new Response` and `Response.json` make light Responses of texts and bytes. A light object has all members, `instanceof` is
 * right for it, and it becomes a real one when something needs that. Code that has kept the platform's `Request` or `fetch` does
 * not accept a light Request, so call this before such code is imported. Another call changes nothing.
 *
 * @returns a function that puts the platform's globals back
 */
export function lightGlobals(): () => void {
  if (!active) {
    active = true
    for (const [name, value] of Object.entries(light)) {
      const facts = Object.getOwnPropertyDescriptor(globalThis, name) ?? {}
      found.set(name, facts)
      Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: facts.enumerable === true })
    }
    // For those who make another object of the same class, or compare classes.
    platform.Request.prototype.constructor = LightAwareRequest
    platform.Response.prototype.constructor = LightableResponse
  }
  return putBack
}

function putBack(): void {
  active = false
  for (const [name, facts] of found) {
    // Not where others have replaced it since.
    if (Reflect.get(globalThis, name) === light[name]) Object.defineProperty(globalThis, name, facts)
  }
  found.clear()
  platform.Request.prototype.constructor = platform.Request
  platform.Response.prototype.constructor = platform.Response
}
