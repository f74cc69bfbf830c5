import { reasonOf } from '../../http1/status.js'
import { ArgumentError } from '../../errors.js'
import { descriptionOf, type ResponseDescription, type RouteDescription, type TableEntry } from '../router/description.js'
import { jsonSchemaOf } from '../router/json-schema.js'
import type { StandardSchema } from '../router/standard-schema.js'
import type { Schemas } from '../router/validated.js'
import type { SchemaComponents } from './components.js'
import { pathParameters, queryParameters } from './parameters.js'
import { capitalized, type PathTemplate } from './path-template.js'
import type { OpenApiContent, OpenApiOperation, OpenApiResponse } from './types.js'

/** What is known of a route: its schemas, and what it and its wrappers say of it. */
export type Described = Schemas & RouteDescription

type Responses = NonNullable<RouteDescription['responses']>

/** What a route says of itself, and what its wrappers say of all that they wrap: the inner one has the last word. */
export function describedOf({ handle, wrappers }: TableEntry): Described {
  const all = [...wrappers, handle].map((one): Described => descriptionOf(one) ?? {})
  const own = all[all.length - 1]
  return {
    ...own,
    tags: [...new Set(all.flatMap(({ tags }) => tags ?? []))],
    deprecated: all.some(({ deprecated }) => deprecated === true),
    hidden: all.some(({ hidden }) => hidden === true),
    security: all.reduce<RouteDescription['security']>((outer, { security }) => security ?? outer, null),
    responses: Object.assign({}, ...all.map(({ responses }) => responses ?? {})) as Responses,
  }
}

/** The operation of a route. @param names of its parameters in the document */
export function operationOf(
  { key, method }: TableEntry, given: Described, template: PathTemplate, names: readonly string[], components: SchemaComponents,
): OpenApiOperation {
  const { summary, description, tags = [], deprecated, security, query } = given
  const operationId = operationIdOf(String(method), given, template)
  const schemaName = capitalized(given.operationId ?? operationId)
  const parameters = [
    ...pathParameters(template.params, names, given.params ?? null, components),
    ...(query ? queryParameters(query, components) : []),
  ]
  const content = contentOf(given, `${schemaName}Body`, components)
  return {
    operationId,
    ...(summary ? { summary } : {}),
    ...(description ? { description } : {}),
    ...(tags !== null && tags.length > 0 ? { tags } : {}),
    ...(deprecated === true ? { deprecated } : {}),
    ...(security ? { security } : {}),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(content === null ? {} : { requestBody: { required: true, content } }),
    responses: responsesOf(key, given, schemaName, components),
  }
}

function operationIdOf(method: string, { operationId }: Described, { name, lacks }: PathTemplate): string {
  if (!operationId) return method.toLowerCase() + name
  return lacks === null ? operationId : `${operationId}Without${capitalized(lacks)}`
}

/** The content of requests; null if the route has no schema of it. */
function contentOf({ body, form }: Described, name: string, components: SchemaComponents): OpenApiContent | null {
  const content: Record<string, OpenApiContent[string]> = {}
  if (body) content['application/json'] = { schema: components.add(body, 'input', name) }
  if (form) {
    const schema = components.add(form, 'input', `${name}Form`)
    // Files fit into this type alone.
    if (!JSON.stringify(jsonSchemaOf(form, 'input')).includes('"binary"')) content['application/x-www-form-urlencoded'] = { schema }
    content['multipart/form-data'] = { schema }
  }
  return body || form ? content : null
}

function responsesOf(key: string, { body, form, query, params, responses }: Described, schemaName: string, components: SchemaComponents): Record<string, OpenApiResponse> {
  const problem = (description: string): OpenApiResponse => ({ description, content: { 'application/problem+json': { schema: components.add(problemSchema, 'output', 'Problem') } } })
  const found: Record<string, OpenApiResponse> = {}
  for (const [status, given] of Object.entries(responses ?? {})) {
    if (!/^[1-5][0-9]{2}$/.test(status)) throw new ArgumentError('responses', `responses: ${JSON.stringify(key)}: ${status} is not a status`)
    if (typeof given === 'string') found[status] = Number(status) < 400 ? { description: given } : problem(given)
    else found[status] = responseOf(Number(status), '~standard' in given ? { schema: given } : given, schemaName + status, components)
  }
  if (body || form) {
    found[400] ??= problem('The content is malformed.')
    found[415] ??= problem('The content has another media type.')
  }
  if (body || form || query || params) {
    found[422] ??= { description: 'The request is not valid.', content: { 'application/problem+json': { schema: components.add(validationProblemSchema, 'output', 'ValidationProblem') } } }
  }
  const isTold = Object.keys(found).some((status) => Number(status) < 400)
  return isTold ? found : { ...found, default: { description: 'Any other response.' } }
}

function responseOf(status: number, { description, schema, type }: ResponseDescription, schemaName: string, components: SchemaComponents): OpenApiResponse {
  const mediaType = type ?? (schema ? 'application/json' : null)
  const content: OpenApiContent | null = mediaType === null ? null : { [mediaType]: schema ? { schema: components.add(schema, 'output', schemaName) } : {} }
  return { description: description ?? reasonOf(status), ...(content === null ? {} : { content }) }
}

/** A JSON Schema by hand, as a schema. */
function byHand(schema: object): StandardSchema {
  const jsonSchema = { input: () => schema, output: () => schema }
  return { '~standard': Object.assign({ version: 1, vendor: 'leveret', validate: (value: unknown) => ({ value }) } as const, { jsonSchema }) }
}

const problemMembers = { type: { type: 'string' }, title: { type: 'string' }, status: { type: 'integer' }, detail: { type: 'string' }, instance: { type: 'string' } }

/** What `problem` and HttpError send. */
const problemSchema = byHand({ title: 'Problem', type: 'object', properties: problemMembers, required: ['title', 'status'] })

/** What a ValidationError sends. */
const validationProblemSchema = byHand({
  title: 'ValidationProblem',
  type: 'object',
  properties: {
    ...problemMembers,
    errors: {
      type: 'array',
      items: {
        type: 'object',
        properties: { in: { enum: ['params', 'query', 'body'] }, pointer: { type: 'string' }, detail: { type: 'string' } },
        required: ['in', 'pointer', 'detail'],
      },
    },
  },
  required: ['title', 'status', 'errors'],
})
