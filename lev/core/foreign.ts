// Values that a program made may throw at any look: proxies that were revoked, getters, a `toString` of their own.

type Class<T> = abstract new (...args: never[]) => T

/** Whether `value` is an instance of one of the classes. Never throws: a value that does not let itself be asked is none. */
export function instanceOf<T>(value: unknown, ...classes: readonly Class<T>[]): value is T {
  try {
    return classes.some((one) => value instanceof one)
  } catch {
    return false
  }
}

/** The name of an error; "" for any other value. Never throws. */
export function nameOf(error: unknown): string {
  try {
    return error instanceof Error ? String(error.name) : ''
  } catch {
    return ''
  }
}

/** The message of an error, or any other value as text. Never throws. */
export function messageOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error)
  } catch {
    return `a value that cannot be shown (${typeof error})`
  }
}
