import { fieldsOf } from './validators.js'
import { refuseUnknown } from './check-fields.js'
import { ArgumentError, ConfigError } from '../errors.js'

/** Runs a check of settings on arguments: a ConfigError becomes an ArgumentError. @throws ArgumentError */
export function asArguments<T>(check: () => T): T {
  try {
    return check()
  } catch (error) {
    if (error instanceof ConfigError) throw new ArgumentError(error.key, error.message)
    throw error
  }
}

/** The given options by name; null counts as not given. @throws ConfigError for an unknown name */
export function optionsOf(value: unknown, key: string, expected: string, known: readonly string[], prefix = ''): Map<string, unknown> {
  const fields = fieldsOf(value, key, expected)
  for (const [name, given] of fields) {
    if (!known.includes(name)) refuseUnknown(name, known, prefix)
    if (given === null) fields.delete(name)
  }
  return fields
}
