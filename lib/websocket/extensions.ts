import { trimmed } from '../http1/bytes.js'
import { isToken, token } from '../http1/grammar.js'
import type { Agreement } from './deflate.js'

/** One extension of a Sec-WebSocket-Extensions field, with its parameters; the value is null for a parameter without one. */
interface Extension {
  readonly name: string
  readonly parameters: readonly (readonly [name: string, value: string | null])[]
}

const name = 'permessage-deflate'

// extension-list = 1#extension (RFC 6455 section 9.1). A quoted value must be a token as well, once unquoted.
const PARAMETER = new RegExp(`^(${token})(?:[ \\t]*=[ \\t]*(?:(${token})|"(${token})"))?$`)

/** The extensions of a field, in order; null if it does not follow the grammar. */
export function parseExtensions(value: string): Extension[] | null {
  const extensions: Extension[] = []
  for (const element of value.split(',')) {
    const parts = element.split(';').map(trimmed)
    // Lists may have empty elements (RFC 9110 section 5.6.1).
    if (parts.length === 1 && parts[0] === '') continue
    if (!isToken(parts[0])) return null
    const parameters: [string, string | null][] = []
    for (const part of parts.slice(1)) {
      const match = PARAMETER.exec(part)
      if (match === null) return null
      parameters.push([match[1].toLowerCase(), match[2] ?? match[3] ?? null])
    }
    extensions.push({ name: parts[0].toLowerCase(), parameters })
  }
  return extensions
}

/** The parameters that an offer or a response contains. */
interface Parameters {
  server_no_context_takeover: boolean
  client_no_context_takeover: boolean
  server_max_window_bits: number | null
  /** 0 if it has no value, which an offer may do. */
  client_max_window_bits: number | null
}

const BITS = /^(?:[89]|1[0-5])$/

/** Null if a parameter is unknown, repeated, or has an invalid value (RFC 7692 section 7.1). */
function parametersOf(extension: Extension, inResponse: boolean): Parameters | null {
  const result: Parameters = {
    server_no_context_takeover: false, client_no_context_takeover: false, server_max_window_bits: null, client_max_window_bits: null,
  }
  const seen = new Set<string>()
  for (const [key, value] of extension.parameters) {
    if (seen.has(key)) return null
    seen.add(key)
    if (key === 'server_no_context_takeover' || key === 'client_no_context_takeover') {
      if (value !== null) return null
      result[key] = true
    } else if (key === 'server_max_window_bits' || key === 'client_max_window_bits') {
      if (value === null ? inResponse || key === 'server_max_window_bits' : !BITS.test(value)) return null
      result[key] = Number(value ?? 0)
    } else {
      return null
    }
  }
  return result
}

/** The server's choice of the client's compression offers: the first that it can accept; null if there is none. */
export function chooseCompression(offers: readonly Extension[], own: Agreement): { agreement: Agreement; response: string } | null {
  for (const offer of offers) {
    const asked = offer.name === name ? parametersOf(offer, false) : null
    if (asked === null) continue
    const agreement: Agreement = {
      server_no_context_takeover: own.server_no_context_takeover || asked.server_no_context_takeover,
      client_no_context_takeover: own.client_no_context_takeover || asked.client_no_context_takeover,
      server_max_window_bits: Math.min(own.server_max_window_bits, asked.server_max_window_bits ?? 15),
      // A client that does not mention its window must not be asked to reduce it (section 7.1.2.2).
      client_max_window_bits: asked.client_max_window_bits === null ? 15 : Math.min(own.client_max_window_bits, asked.client_max_window_bits || 15),
    }
    let response = flags(agreement)
    if (agreement.server_max_window_bits < 15 || asked.server_max_window_bits !== null) {
      response += `; server_max_window_bits=${agreement.server_max_window_bits}`
    }
    if (agreement.client_max_window_bits < 15) response += `; client_max_window_bits=${agreement.client_max_window_bits}`
    return { agreement, response }
  }
  return null
}

function flags(agreement: Agreement): string {
  return name +
    (agreement.server_no_context_takeover ? '; server_no_context_takeover' : '') +
    (agreement.client_no_context_takeover ? '; client_no_context_takeover' : '')
}

/** The value of a client's Sec-WebSocket-Extensions field. */
export function compressionOffer(own: Agreement): string {
  return flags(own) +
    (own.server_max_window_bits < 15 ? `; server_max_window_bits=${own.server_max_window_bits}` : '') +
    (own.client_max_window_bits < 15 ? `; client_max_window_bits=${own.client_max_window_bits}` : '; client_max_window_bits')
}

/**
 * Evaluates the server's response to `compressionOffer(own)`: the agreement, null for no compression, or the reason why the
 * connection must be failed.
 */
export function acceptCompression(response: string | undefined, own: Agreement | null): Agreement | string | null {
  const extensions = response === undefined ? [] : parseExtensions(response)
  if (extensions === null) return 'malformed Sec-WebSocket-Extensions header'
  if (extensions.length === 0) return null
  if (own === null || extensions.length > 1 || extensions[0].name !== name) return 'an extension that was not asked for'
  const told = parametersOf(extensions[0], true)
  if (told === null) return 'parameters of permessage-deflate that cannot be'
  if (own.server_no_context_takeover && !told.server_no_context_takeover) return 'the server does not go without context takeover'
  const serverBits = told.server_max_window_bits ?? 15
  if (serverBits > own.server_max_window_bits) return 'the server uses a larger window than it may'
  return {
    server_no_context_takeover: told.server_no_context_takeover,
    client_no_context_takeover: own.client_no_context_takeover || told.client_no_context_takeover,
    server_max_window_bits: serverBits,
    client_max_window_bits: Math.min(own.client_max_window_bits, told.client_max_window_bits ?? 15),
  }
}
