import type { CheckedLimits } from '../config/limits.js'
import type { Handler } from './handler.js'

/** The route of a request. */
export interface RouteChoice {
  /** Its pattern, such as `/todos/:id`. */
  readonly route: string
  /** Null: it has none of its own. */
  readonly limits: CheckedLimits | null
}

/** Knows the route of a request by its head, before the content is read: for handlers that consist of routes. */
export interface RouteChooser {
  /** Whether any of the routes has limits. */
  readonly hasLimits: boolean
  /** Null: no route fits. */
  choose(method: string, path: string): RouteChoice | null
}

const choosers = new WeakMap<Handler, RouteChooser>()

/** The chooser of a handler; null if it does not consist of routes. */
export function chooserOf(handler: Handler): RouteChooser | null {
  return choosers.get(handler) ?? null
}

/** Gives a handler its chooser, null for none. Returns the handler. */
export function withChooser(handler: Handler, chooser: RouteChooser | null): Handler {
  if (chooser !== null) choosers.set(handler, chooser)
  return handler
}
