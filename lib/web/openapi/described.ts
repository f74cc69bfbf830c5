import { asArguments, optionsOf } from '../../config/arguments.js'
import { typeName } from '../../config/validators.js'
import { ArgumentError } from '../../errors.js'
import { checkDescription, describe, descriptionNames, type RouteDescription } from '../router/description.js'
import type { Wrapper } from '../router/table.js'

/**
 * A wrapper with what it means for the document of all routes that it wraps: the `security` that it asks for, the `responses` that
 * it gives, `tags`. What a route says itself comes first; tags are added.
 * @throws ArgumentError for an invalid member, or a wrapper that is no function
 */
export function described(description: RouteDescription, wrapper: Wrapper): Wrapper {
  asArguments(() => checkDescription(optionsOf(description, 'description', 'an object of a description', descriptionNames)))
  if (typeof wrapper !== 'function') throw new ArgumentError('wrapper', `wrapper must be a function, got ${typeName(wrapper)}`)
  return describe((handler) => wrapper(handler), description)
}
