import { trimmed } from './bytes.js'
import { token } from './grammar.js'

/** Content codings that the server can apply. */
export type Encoding = 'gzip' | 'deflate'

// codings [ weight ] (RFC 9110 12.5.3, 12.4.2), and the empty elements that any list may have (5.6.1).
const ELEMENT = new RegExp(`^(?:(${token})(?:[ \\t]*;[ \\t]*q=(0(?:\\.[0-9]{0,3})?|1(?:\\.0{0,3})?))?)?$`)

/**
 * The coding to send content in, by the client's Accept-Encoding (RFC 9110 12.5.3): of those offered the one it likes
 * best, the first of equals; null for none (identity), also if it likes identity better or says nothing.
 *
 * A coding named twice gets the lower weight; a field that does not follow the grammar is as good as none.
 *
 * @param acceptEncoding the field's value
 * @param offered in the server's order of preference
 */
export function negotiateEncoding(
  acceptEncoding: string | undefined,
  offered: readonly Encoding[],
): Encoding | null {
  if (acceptEncoding === undefined) return null
  const weights = new Map<string, number>()
  for (const element of acceptEncoding.toLowerCase().split(',')) {
    const match = ELEMENT.exec(trimmed(element))
    if (match === null) return null
    if (match[1] === undefined) continue
    const coding = match[1] === 'x-gzip' ? 'gzip' : match[1]
    const weight = Number(match[2] ?? 1)
    weights.set(coding, Math.min(weight, weights.get(coding) ?? 1))
  }
  const others = weights.get('*') ?? 0
  let best: Encoding | null = null
  let bestWeight = 0
  for (const coding of offered) {
    const weight = weights.get(coding) ?? others
    if (weight > bestWeight) {
      best = coding
      bestWeight = weight
    }
  }
  return (weights.get('identity') ?? 0) > bestWeight ? null : best
}
