import fc from 'fast-check'
import type { JsonSchema, OpenApiDocument } from '../../../../lib/web/openapi/index.js'

/** What the values of a schema are made of. */
interface Keywords {
  readonly $ref?: string
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly JsonSchema[]
  readonly pattern?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly minimum?: number
  readonly exclusiveMinimum?: number
  readonly maximum?: number
  readonly items?: JsonSchema
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
}

/** A schema, in place of a reference to it. */
export function resolved(document: OpenApiDocument, schema: JsonSchema): Keywords {
  const { $ref } = schema as Keywords
  return $ref === undefined ? schema as Keywords : resolved(document, document.components?.schemas?.[$ref.split('/').at(-1) ?? ''] ?? false)
}

/** Values that fit a schema. */
export function fitting(document: OpenApiDocument, schema: JsonSchema): fc.Arbitrary<unknown> {
  const given = resolved(document, schema)
  if (given.enum !== undefined) return fc.constantFrom(...given.enum)
  if (given.anyOf !== undefined) return fc.oneof(...given.anyOf.map((one) => fitting(document, one)))
  switch (given.type) {
    case 'boolean': return fc.boolean()
    case 'integer': return fc.integer({ min: given.minimum ?? (given.exclusiveMinimum ?? -1) + 1, max: Math.min(given.maximum ?? 2 ** 31, 2 ** 31) })
    case 'array': return fc.array(fitting(document, given.items ?? true), { minLength: given.minItems, maxLength: 3 })
    case 'string':
      if (given.pattern !== undefined) return fc.stringMatching(new RegExp(given.pattern, 'u'))
      // Libraries count code units, JSON Schema counts characters: these have one each.
      return fc.string({ unit: 'grapheme-ascii', minLength: given.minLength, maxLength: given.maxLength })
    case 'object': {
      const { properties = {}, required = [] } = given
      return fc.record(Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, fitting(document, one)])), { requiredKeys: [...required] })
    }
    default: throw new Error(`no values for ${JSON.stringify(schema)}`)
  }
}

/** Values that do not fit a schema, as the content of a request. */
export function unfitting(document: OpenApiDocument, schema: JsonSchema): fc.Arbitrary<unknown> {
  const { type, items = true, properties = {}, required = [] } = resolved(document, schema)
  if (type === 'array') return fc.tuple(fc.array(fitting(document, items), { maxLength: 2 }), unfitting(document, items)).map(([some, one]) => [...some, one])
  return fc.tuple(fitting(document, schema), fc.constantFrom(...Object.keys(properties)), fc.boolean()).map(([value, name, isMissing]) => {
    const { [name]: _removed, ...others } = value as Record<string, unknown>
    return isMissing && required.includes(name) ? others : { ...others, [name]: null }
  })
}
