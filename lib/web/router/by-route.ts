import { Matcher } from './matcher.js'
import { readKey } from './table.js'

/**
 * A setting that depends on the route: `max_body_size: byRoute({ 'POST /pictures': 50_000_000 }, 100_000)`. Keys are those of
 * `routes`; requests that none of them fits get `otherwise`.
 * @throws ArgumentError for a key that is malformed, or fits the same requests as another
 */
export function byRoute<Value>(
  table: Readonly<Record<string, Value>>, otherwise: NoInfer<Value>,
): (method: string, path: string) => Value {
  const matcher = new Matcher<Value>()
  for (const [key, value] of Object.entries(table)) matcher.add(readKey(key), value)
  return (method, path) => {
    const found = matcher.find(method, path)
    return typeof found === 'number' ? otherwise : found.value
  }
}
