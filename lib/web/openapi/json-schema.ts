import type { StandardSchema } from '../router/standard-schema.js'
import type { JsonSchema } from './types.js'

/** Whether a schema is of what it is given, or of what it returns. */
export type Direction = 'input' | 'output'

type Members = Readonly<Record<string, unknown>>

/** What Standard JSON Schema adds to the interface of Standard Schema. */
interface JsonSchemaSource {
  readonly jsonSchema?: { readonly [D in Direction]: (options: { readonly target: string, readonly libraryOptions: Members }) => unknown } | null | undefined
}

// What JSON Schema cannot express, such as a date, is left open in place of an error: zod and valibot.
const leaveOpen = { unrepresentable: 'any', errorMode: 'ignore' }

/**
 * The JSON Schema of a schema, by Standard JSON Schema; one that fits all values if it has none. What comes out may have more members
 * than its schema says, since nothing checks it: `additionalProperties: false` is left out there.
 */
export function jsonSchemaOf(schema: StandardSchema, direction: Direction): JsonSchema {
  const source = schema['~standard'] as JsonSchemaSource
  let found: unknown
  try {
    found = source.jsonSchema?.[direction]({ target: 'draft-2020-12', libraryOptions: leaveOpen })
  } catch {
    // It has none.
  }
  if (typeof found !== 'object' || found === null) return {}
  return direction === 'output' ? opened(found as JsonSchema) : found as JsonSchema
}

function opened(schema: JsonSchema): JsonSchema {
  if (typeof schema === 'boolean') return schema
  const { additionalProperties, ...others } = mapSubschemas(schema, opened)
  return additionalProperties === undefined || additionalProperties === false ? others : { ...others, additionalProperties }
}

const single = new Set([
  'items', 'additionalProperties', 'unevaluatedItems', 'unevaluatedProperties', 'contains', 'propertyNames', 'contentSchema',
  'not', 'if', 'then', 'else',
])
const listed = new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems'])
const named = new Set(['properties', 'patternProperties', 'dependentSchemas', '$defs'])

/** A copy of a schema with each schema directly in it replaced. Values that are data, as those of `const`, are no schemas. */
export function mapSubschemas(schema: Members, replace: (subschema: JsonSchema) => JsonSchema): Members {
  return Object.fromEntries(Object.entries(schema).map(([keyword, value]) => {
    if (single.has(keyword)) return [keyword, replace(value as JsonSchema)]
    if (listed.has(keyword)) return [keyword, (value as readonly JsonSchema[]).map(replace)]
    if (!named.has(keyword)) return [keyword, value]
    return [keyword, Object.fromEntries(Object.entries(value as Record<string, JsonSchema>).map(([name, one]) => [name, replace(one)]))]
  }))
}

/** What a reference within a schema, such as `#/$defs/Todo`, refers to; undefined if there is nothing. */
export function referent(root: JsonSchema, reference: string): JsonSchema | undefined {
  let found: unknown = root
  for (const key of keysOf(reference)) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) return undefined
    found = (found as Members)[key]
  }
  return found as JsonSchema
}

/** The keys of a JSON pointer (RFC 6901) in a fragment. */
export function keysOf(reference: string): string[] {
  return reference.split('/').slice(1).map((key) => decodeURIComponent(key).replaceAll('~1', '/').replaceAll('~0', '~'))
}
