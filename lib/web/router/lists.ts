import { arrayMembers } from './json-schema.js'
import type { StandardSchema } from './standard-schema.js'

const known = new WeakMap<StandardSchema, ReadonlySet<string>>()

/** Makes a list of what was sent once, where the schema takes lists alone. Changes `values`, and returns them. */
export function withLists(values: Record<string, unknown>, schema: StandardSchema): Record<string, unknown> {
  let names = known.get(schema)
  // Not before a request: schemas may refer to others that are made later.
  if (names === undefined) known.set(schema, names = arrayMembers(schema))
  for (const name of names) {
    if (Object.hasOwn(values, name) && !Array.isArray(values[name])) values[name] = [values[name]]
  }
  return values
}
