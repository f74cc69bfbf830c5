import { TOKEN, VALUE } from './bytes.js'

// Not imported: see field-lines.ts.
const token = TOKEN
const value = VALUE
const HTAB = 0x09
const SP = 0x20
const QUOTE = 0x22
const SEMICOLON = 0x3b
const EQUALS = 0x3d
const BACKSLASH = 0x5c

// States within the extensions of a chunk: *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ) (RFC 9112 7.1.1).
const NAME_START = 0
const NAME = 1
const NAME_END = 2
const VALUE_START = 3
const TOKEN_VALUE = 4
const QUOTED = 5
const QUOTED_PAIR = 6
const QUOTED_END = 7
const VALUE_END = 8
const BAD = 9

/** The state before an extension, of which the ";" is the first byte. */
export const EXTENSION_START = VALUE_END
/** The state after a byte that the grammar does not allow. */
export const EXTENSION_FAULT = BAD

/** Whether extensions may end in this state: after a whole one. */
export function mayEndExtension(state: number): boolean {
  return state === NAME || state === TOKEN_VALUE || state === QUOTED_END
}

/** The state after a byte of an extension. */
export function afterExtensionByte(state: number, byte: number): number {
  const space = byte === SP || byte === HTAB
  switch (state) {
    case NAME_START:
      return space ? NAME_START : token[byte] !== 0 ? NAME : BAD
    case NAME:
      if (token[byte] !== 0) return NAME
      return space ? NAME_END : afterExtensionByte(NAME_END, byte)
    case NAME_END:
      if (space) return NAME_END
      return byte === EQUALS ? VALUE_START : byte === SEMICOLON ? NAME_START : BAD
    case VALUE_START:
      if (space) return VALUE_START
      return byte === QUOTE ? QUOTED : token[byte] !== 0 ? TOKEN_VALUE : BAD
    case QUOTED:
      return byte === QUOTE ? QUOTED_END : byte === BACKSLASH ? QUOTED_PAIR : value[byte] !== 0 ? QUOTED : BAD
    case QUOTED_PAIR:
      return value[byte] !== 0 ? QUOTED : BAD
    default:
      if (state === TOKEN_VALUE && token[byte] !== 0) return TOKEN_VALUE
      return space ? VALUE_END : byte === SEMICOLON ? NAME_START : BAD
  }
}
