/**
 * The parameters after `?` by name, as URLSearchParams reads them, without inherited members; an array for a name that was sent
 * several times.
 */
export function queryValues(args: string): ValuesByName<string> {
  const values = Object.create(null) as ValuesByName<string>
  if (mustDecode.test(args)) {
    for (const [name, value] of new URLSearchParams(args)) addValue(values, name, value)
    return values
  }
  // Most have nothing to decode, and then a URLSearchParams takes ten times as long.
  for (let start = 0; start < args.length;) {
    const ampersand = args.indexOf('&', start)
    const end = ampersand < 0 ? args.length : ampersand
    const equals = args.indexOf('=', start)
    if (equals >= 0 && equals < end) addValue(values, args.slice(start, equals), args.slice(equals + 1, end))
    else if (end > start) addValue(values, args.slice(start, end), '')
    start = end + 1
  }
  return values
}

/** Encoded characters; and a question mark at the beginning, which URLSearchParams leaves out. */
const mustDecode = /[%+]|^\?/

/** Values by name, without inherited members; an array for a name that has several. */
export type ValuesByName<Value> = Record<string, Value | Value[]>

/** Adds a value to those of its name. */
export function addValue<Value>(values: ValuesByName<Value>, name: string, value: Value): void {
  const earlier: Value | Value[] | undefined = values[name]
  // Not a copy of the list for each: a client may send thousands.
  if (Array.isArray(earlier)) earlier.push(value)
  else values[name] = earlier === undefined ? value : [earlier, value]
}
