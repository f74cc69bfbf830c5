// Values from user code may throw on any access: revoked proxies, getters, a custom `toString`.

type Class<T> = abstract new (...args: never[]) => T

/** Whether `value` is an instance of one of the classes. Never throws: false for a value whose check throws. */
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
