/**
 * The parameters after `?` by name, as URLSearchParams reads them, without inherited members; an array for a name that was sent
 * several times.
 */
export function queryValues(args: string): Record<string, string | string[]> {
  const values = Object.create(null) as Record<string, string | string[]>
  if (mustDecode.test(args)) {
    for (const [name, value] of new URLSearchParams(args)) add(values, name, value)
    return values
  }
  // Most have nothing to decode, and then a URLSearchParams takes ten times as long.
  for (let start = 0; start < args.length;) {
    const ampersand = args.indexOf('&', start)
    const end = ampersand < 0 ? args.length : ampersand
    const equals = args.indexOf('=', start)
    if (equals >= 0 && equals < end) add(values, args.slice(start, equals), args.slice(equals + 1, end))
    else if (end > start) add(values, args.slice(start, end), '')
    start = end + 1
  }
  return values
}

/** Encoded characters; and a question mark at the beginning, which URLSearchParams leaves out. */
const mustDecode = /[%+]|^\?/

function add(values: Record<string, string | string[]>, name: string, value: string): void {
  const earlier: string | string[] | undefined = values[name]
  // Not a copy of the list for each: a client may send thousands.
  if (Array.isArray(earlier)) earlier.push(value)
  else values[name] = earlier === undefined ? value : [earlier, value]
}
