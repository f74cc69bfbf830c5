import assert from 'node:assert/strict'

/** What a value must be: a RegExp that matches its text, an object whose members match, or anything else that equals it. */
export type Pattern = string | number | boolean | null | RegExp | { readonly [member: string]: Pattern }

/** Asserts that `value` matches `pattern`. @throws AssertionError */
export function match(value: unknown, pattern: Pattern, message?: string): void {
  if (pattern instanceof RegExp) assert.match(String(value), pattern, message)
  else if (typeof pattern !== 'object' || pattern === null) assert.equal(value, pattern, message)
  else {
    assert.ok(typeof value === 'object' && value !== null, message)
    for (const [member, expected] of Object.entries(pattern)) match(Reflect.get(value, member), expected, message)
  }
}
