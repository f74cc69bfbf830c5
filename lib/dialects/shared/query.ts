/**
 * The pairs of a query such as `a=1&b=%20x`, in order and decoded: percent-encoded UTF-8, and `+` for a space. What has no
 * `=` has an empty value.
 */
export function queryPairs(args: string): [name: string, value: string][] {
  // Of what it is given, one "?" in front is taken away.
  return [...new URLSearchParams(`?${args}`)]
}

/**
 * An ordinary object of these entries, where a name that is missing is undefined whatever Object.prototype has: the names
 * come from clients. Of entries with the same name the last counts.
 */
export function tableOf<T>(entries: Iterable<readonly [string, T]>): Record<string, T> {
  return new Proxy<Record<string, T>>(Object.fromEntries(entries), { get: ownValue, has: Object.hasOwn })
}

function ownValue(target: object, name: string | symbol): unknown {
  // Symbols are how the language asks: they come from no client.
  return typeof name === 'symbol' || Object.hasOwn(target, name) ? Reflect.get(target, name) : undefined
}
