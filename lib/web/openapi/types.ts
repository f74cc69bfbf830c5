import type { JsonSchema } from '../router/json-schema.js'

export type { JsonSchema }

/** A document of OpenAPI 3.1: plain objects that are JSON. Members that the types do not name may be there too. */
export interface OpenApiDocument {
  /** The version of OpenAPI. */
  readonly openapi: '3.1.0'
  /** Of the service, as given. */
  readonly info: OpenApiInfo
  /** The routes by path, with parameters in braces. */
  readonly paths: Readonly<Record<string, OpenApiPath>>
  /** What is defined once and referred to. */
  readonly components?: OpenApiComponents | null | undefined
  readonly [member: string]: unknown
}

/** What a document says of the service. */
export interface OpenApiInfo {
  /** The name of the service. */
  readonly title: string
  /** The version of what it offers. */
  readonly version: string
  readonly [member: string]: unknown
}

/** The operations of a path, by method in lower case. */
export type OpenApiPath = { readonly [M in 'get' | 'put' | 'post' | 'delete' | 'options' | 'head' | 'patch' | 'trace']?: OpenApiOperation | null | undefined }

/** What a document says of one route. */
export interface OpenApiOperation {
  /** Its name in programs; no other operation has it. */
  readonly operationId: string
  /** Its parameters in path and query. */
  readonly parameters?: readonly OpenApiParameter[] | null | undefined
  /** The content of its requests. */
  readonly requestBody?: { readonly required: boolean, readonly content: OpenApiContent } | null | undefined
  /** Its responses by status, or `default`. */
  readonly responses: Readonly<Record<string, OpenApiResponse>>
  readonly [member: string]: unknown
}

/** A parameter of an operation. */
export interface OpenApiParameter {
  /** Its name. */
  readonly name: string
  /** Where it is. */
  readonly in: 'path' | 'query'
  /** Whether requests must have it. */
  readonly required: boolean
  /** Of its value. */
  readonly schema: JsonSchema
  readonly [member: string]: unknown
}

/** A response of an operation. */
export interface OpenApiResponse {
  /** What it means. */
  readonly description: string
  /** Its content by media type; without it there is none, or none is described. */
  readonly content?: OpenApiContent | null | undefined
}

/** Content by media type. */
export type OpenApiContent = Readonly<Record<string, { readonly schema?: JsonSchema | null | undefined }>>

/** What a document defines once. */
export interface OpenApiComponents {
  /** Schemas by name. */
  readonly schemas?: Readonly<Record<string, JsonSchema>> | null | undefined
  /** What `security` refers to, by name. */
  readonly securitySchemes?: Readonly<Record<string, Readonly<Record<string, unknown>>>> | null | undefined
  readonly [member: string]: unknown
}
