/**
 * What validates a value: the interface of Standard Schema (https://standardschema.dev), version 1, which the schemas of zod,
 * valibot, arktype and others have.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  /** What the interface consists of. */
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    /** For the compiler alone. */
    readonly types?: { readonly input: Input, readonly output: Output } | null | undefined
  }
}

/** The result of a schema: the value, which may be another one than was given, or what is wrong with it. */
export type SchemaResult<Output> =
  | { readonly value: Output, readonly issues?: null | undefined }
  | { readonly issues: readonly SchemaIssue[] }

/** One thing that is wrong with a value. */
export interface SchemaIssue {
  /** What is wrong. */
  readonly message: string
  /** Where in the value it is. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | null | undefined
}

/** Whether a value implements the interface. */
export function isSchema(value: unknown): value is StandardSchema {
  // The schemas of arktype are functions.
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null || !('~standard' in value)) return false
  const standard = value['~standard']
  return typeof standard === 'object' && standard !== null && 'validate' in standard && typeof standard.validate === 'function'
}
