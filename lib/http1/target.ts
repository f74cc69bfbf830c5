import { isAuthority, isConnectTarget } from './authority.js'
import { PATH } from './bytes.js'

/** RFC 9112 3.2. */
export type TargetForm = 'origin' | 'absolute' | 'authority' | 'asterisk'

/** A request target that is not in origin-form, taken apart. */
export interface Target {
  readonly form: TargetForm
  /** Host and perhaps port that the target names, null if none. */
  readonly host: string | null
  /** The path; `*` for asterisk-form, the authority for CONNECT. */
  readonly path: string
  /** What follows the "?", without it. */
  readonly args: string
}

const ABSOLUTE = /^https?:\/\/([^/?]*)([^?]*)\??(.*)$/i

function isPath(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (PATH[text.charCodeAt(i)] === 0) return false
  return true
}

/**
 * Reads a target that does not start with "/", whose characters are known to be good for a query.
 * authority-form goes with CONNECT alone and with nothing else, asterisk-form with OPTIONS (RFC 9112 3.2.3, 3.2.4).
 * A URI with user information, of another scheme or with an empty host is refused (RFC 9110 4.2.1, 4.2.4).
 *
 * @returns null if the target is malformed or does not go with the method
 */
export function readTarget(method: string, text: string): Target | null {
  if (method === 'CONNECT') {
    return isConnectTarget(text) ? { form: 'authority', host: text, path: text, args: '' } : null
  }
  if (text === '*') {
    return method === 'OPTIONS' ? { form: 'asterisk', host: null, path: '*', args: '' } : null
  }
  const match = ABSOLUTE.exec(text)
  if (match === null) return null
  const [, host, path, args] = match
  if (!isAuthority(host) || !isPath(path)) return null
  // No path at all: "*" is what OPTIONS asks of the server as a whole (RFC 9112 3.2.4), "/" what others mean.
  const whole = method === 'OPTIONS' && host.length + text.indexOf('://') + 3 === text.length
  return { form: 'absolute', host, path: path === '' ? (whole ? '*' : '/') : path, args }
}
