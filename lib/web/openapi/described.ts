import { describe, type RouteDescription } from '../router/description.js'
import type { Wrapper } from '../router/table.js'

/**
 * A wrapper with what it means for the document of all routes that it wraps: the `security` that it asks for, the `responses` that
 * it gives, `tags`. What a route says itself comes first; tags are added.
 */
export function described(description: RouteDescription, wrapper: Wrapper): Wrapper {
  return describe((handler) => wrapper(handler), description)
}
