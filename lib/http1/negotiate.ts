import { trimmed } from './bytes.js'
import { token } from './grammar.js'

/** A content-coding that the server can apply: its names, in lower case. */
export interface OfferedCoding {
  readonly name: string
  readonly aliases: readonly string[]
}

// codings [ weight ] (RFC 9110 12.5.3, 12.4.2), or an empty element, which any list may have (5.6.1).
const ELEMENT = new RegExp(`^(?:(${token})(?:[ \\t]*;[ \\t]*q=(0(?:\\.[0-9]{0,3})?|1(?:\\.0{0,3})?))?)?$`)

/**
 * Chooses a content-coding by the client's Accept-Encoding (RFC 9110 12.5.3): the offered one with the highest weight, the first
 * of equals; null for none (identity), also if identity has a higher weight or the field is missing.
 *
 * A coding that is listed twice gets the lower weight; a malformed field counts as missing.
 *
 * @param acceptEncoding the field's value
 * @param offered in the server's order of preference
 */
export function negotiateCoding<T extends OfferedCoding>(acceptEncoding: string | undefined, offered: readonly T[]): T | null {
  if (acceptEncoding === undefined) return null
  const weights = new Map<string, number>()
  for (const element of acceptEncoding.toLowerCase().split(',')) {
    const match = ELEMENT.exec(trimmed(element))
    if (match === null) return null
    if (match[1] === undefined) continue
    const coding = offered.find(({ aliases }) => aliases.includes(match[1]))?.name ?? match[1]
    const weight = Number(match[2] ?? 1)
    weights.set(coding, Math.min(weight, weights.get(coding) ?? 1))
  }
  const others = weights.get('*') ?? 0
  let best: T | null = null
  let bestWeight = 0
  for (const coding of offered) {
    const weight = weights.get(coding.name) ?? others
    if (weight > bestWeight) {
      best = coding
      bestWeight = weight
    }
  }
  return (weights.get('identity') ?? 0) > bestWeight ? null : best
}
