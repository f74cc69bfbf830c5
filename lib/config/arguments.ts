import { fieldsOf } from './validators.js'
import { refuseUnknown } from './tls-settings.js'
import { ArgumentError, ConfigError } from '../errors.js'

/** What the checks of settings find is the fault of an argument here. @throws ArgumentError */
export function asArguments<T>(check: () => T): T {
  try {
    return check()
  } catch (error) {
    if (error instanceof ConfigError) throw new ArgumentError(error.key, error.message)
    throw error
  }
}

/** The options that were given, each with a name that is known. Null counts as not given. */
export function optionsOf(value: unknown, key: string, expected: string, known: readonly string[], prefix = ''): Map<string, unknown> {
  const fields = fieldsOf(value, key, expected)
  for (const [name, given] of fields) {
    if (!known.includes(name)) refuseUnknown(name, known, prefix)
    if (given === null) fields.delete(name)
  }
  return fields
}
