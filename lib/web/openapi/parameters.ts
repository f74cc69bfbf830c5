import { jsonSchemaOf, objectMembers, type JsonSchema } from '../router/json-schema.js'
import type { StandardSchema } from '../router/standard-schema.js'
import type { SchemaComponents } from './components.js'
import type { PathParam } from './path-template.js'
import type { OpenApiParameter } from './types.js'

/** The parameters of a path. @param names those that the template of the document has */
export function pathParameters(
  params: readonly PathParam[], names: readonly string[], schema: StandardSchema | null, components: SchemaComponents,
): OpenApiParameter[] {
  const root = schema === null ? {} : jsonSchemaOf(schema, 'input')
  const properties = objectMembers(root)?.properties
  return params.map(({ name, pattern }, at) => {
    const found = properties?.get(name)
    const given = found === undefined || isAny(found) ? { type: 'string' } : components.addJson(root, 'input', name, found)
    const parameter = parameterOf(names[at], 'path', true, constrained(given, pattern))
    return name === '*' ? { description: 'The rest of the path, slashes included.', ...parameter } : parameter
  })
}

/** The parameters of a query: those of an object; any other schema is that of all parameters together. */
export function queryParameters(schema: StandardSchema, components: SchemaComponents): OpenApiParameter[] {
  const root = jsonSchemaOf(schema, 'input')
  const members = objectMembers(root)
  if (members === null) {
    const whole = isAny(root) ? { type: 'object' } : components.addJson(root, 'input', 'Query')
    return [{ name: 'query', in: 'query', required: false, style: 'form', explode: true, schema: whole }]
  }
  return Array.from(members.properties, ([name, property]) => {
    return parameterOf(name, 'query', members.required.has(name), components.addJson(root, 'input', name, property))
  })
}

function parameterOf(name: string, place: 'path' | 'query', required: boolean, schema: JsonSchema): OpenApiParameter {
  if (typeof schema === 'boolean') return { name, in: place, required, schema }
  const { description, deprecated, ...others } = schema
  return {
    name, in: place, required,
    ...(typeof description === 'string' ? { description } : {}),
    ...(deprecated === true ? { deprecated } : {}),
    schema: others,
  }
}

/** A schema with the regular expression of the path; it says nothing about a value that is written as a number. */
function constrained(schema: JsonSchema, pattern: string | null): JsonSchema {
  if (pattern === null || typeof schema === 'boolean' || schema.type !== 'string') return schema
  return schema.pattern === undefined ? { ...schema, pattern } : { ...schema, allOf: [{ pattern }] }
}

function isAny(schema: JsonSchema): boolean {
  return schema === true || Object.keys(schema).every((keyword) => keyword === '$schema')
}
