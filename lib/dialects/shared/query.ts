/**
 * The pairs of a query such as `a=1&b=%20x`, in order and decoded: percent-encoded UTF-8, and `+` for a space. A name without
 * `=` has an empty value.
 */
export function queryPairs(args: string): [name: string, value: string][] {
  // URLSearchParams removes one leading "?": this one, and not one that belongs to the query.
  return [...new URLSearchParams(`?${args}`)]
}

/**
 * An ordinary object of these entries, in which missing names are undefined even if Object.prototype has them, because the
 * names come from clients. The last of several entries with the same name counts.
 */
export function tableOf<T>(entries: Iterable<readonly [string, T]>): Record<string, T> {
  return new Proxy<Record<string, T>>(Object.fromEntries(entries), { get: ownValue, has: Object.hasOwn })
}

function ownValue(target: object, name: string | symbol): unknown {
  // Symbols are used by the language, and never come from clients.
  return typeof name === 'symbol' || Object.hasOwn(target, name) ? Reflect.get(target, name) : undefined
}
