import type { StandardSchema } from './standard-schema.js'

/** A schema of JSON Schema, draft 2020-12. */
export type JsonSchema = Readonly<Record<string, unknown>> | boolean

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
  for (const part of reference.split('/').slice(1)) {
    // Libraries do not encode the names of definitions, which may be any text.
    const key = [part, keyOf(part)].find((key) => typeof found === 'object' && found !== null && Object.hasOwn(found, key))
    if (key === undefined) return undefined
    found = (found as Members)[key]
  }
  return found as JsonSchema
}

/** The key that a part of a JSON pointer (RFC 6901) in a fragment stands for. */
export function keyOf(part: string): string {
  let text = part
  try {
    text = decodeURIComponent(part)
  } catch {
    // It was not encoded.
  }
  return text.replaceAll('~1', '/').replaceAll('~0', '~')
}

/** The members of an object. */
export interface ObjectMembers {
  readonly properties: ReadonlyMap<string, JsonSchema>
  readonly required: ReadonlySet<string>
}

/** Keywords because of which a schema is not only that of an object with some members. */
const furtherKeywords = ['anyOf', 'oneOf', 'not', 'if', 'patternProperties', 'dependentSchemas', 'minProperties']

/** The members of the objects that fit a schema; null if there is more to say of them. */
export function objectMembers(root: JsonSchema, schema: JsonSchema = root): ObjectMembers | null {
  if (typeof schema === 'boolean') return null
  const { $ref, allOf, additionalProperties, properties, required } = schema
  if (typeof $ref === 'string') {
    const target = referent(root, $ref)
    return target === undefined || target === schema ? null : objectMembers(root, target)
  }
  const isRecord = typeof additionalProperties === 'object' && additionalProperties !== null && Object.keys(additionalProperties).length > 0
  if (isRecord || furtherKeywords.some((keyword) => keyword in schema) || (allOf === undefined && schema.type !== 'object')) return null
  const parts = ((allOf ?? []) as readonly JsonSchema[]).map((part) => objectMembers(root, part))
  if (parts.includes(null)) return null
  const all = [...parts as ObjectMembers[], {
    properties: new Map(Object.entries((properties ?? {}) as Record<string, JsonSchema>)),
    required: new Set((required ?? []) as readonly string[]),
  }]
  return {
    properties: new Map(all.flatMap((one) => [...one.properties])),
    required: new Set(all.flatMap((one) => [...one.required])),
  }
}

/** The members of an object, by a schema of one, that have to be arrays. */
export function arrayMembers(schema: StandardSchema): ReadonlySet<string> {
  const root = jsonSchemaOf(schema, 'input')
  const isArray = (property: JsonSchema): boolean => {
    if (typeof property === 'boolean') return false
    const target = typeof property.$ref === 'string' ? referent(root, property.$ref) : property
    return typeof target === 'object' && target.type === 'array'
  }
  const members = [...objectMembers(root)?.properties ?? []].filter(([, property]) => isArray(property))
  return new Set(members.map(([name]) => name))
}
