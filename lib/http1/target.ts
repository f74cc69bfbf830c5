import { isAuthority, isConnectTarget } from './authority.js'
import { PATH } from './bytes.js'

/** The forms of request targets (RFC 9112 3.2). */
export type TargetForm = 'origin' | 'absolute' | 'authority' | 'asterisk'

/** The components of a request target that is not in origin-form. */
interface Target {
  readonly form: TargetForm
  /** Host and optional port of the target; null if none. */
  readonly host: string | null
  /** The path; `*` for asterisk-form, the authority for CONNECT. */
  readonly path: string
  /** The text after "?". */
  readonly args: string
}

const ABSOLUTE = /^https?:\/\/([^/?]*)([^?]*)\??(.*)$/i

function isPath(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (PATH[text.charCodeAt(i)] === 0) return false
  return true
}

/**
 * Reads a target that does not start with "/" and has only characters that are valid in a query. CONNECT requires authority-form,
 * which no other method may use; asterisk-form is for OPTIONS only (RFC 9112 3.2.3, 3.2.4). A URI with user information, another
 * scheme or an empty host is rejected (RFC 9110 4.2.1, 4.2.4).
 *
 * @returns null if the target is malformed or not allowed for the method
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
  // An empty path: for OPTIONS it means the server as a whole, "*" (RFC 9112 3.2.4), else "/".
  const whole = method === 'OPTIONS' && host.length + text.indexOf('://') + 3 === text.length
  return { form: 'absolute', host, path: path === '' ? (whole ? '*' : '/') : path, args }
}
