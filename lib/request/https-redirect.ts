import { rejections } from '../http1/rejection.js'
import { redirect, reject } from '../response/send-response.js'
import type { Exchange, NextAction } from './exchange.js'

/** Where a certificate authority looks for the response to its challenge, by HTTP alone; the token is base64url (RFC 8555 8.3). */
const challenge = /^\/\.well-known\/acme-challenge\/[\w-]+$/

/**
 * Redirects a request that has come to a place with `redirect`; null: it is served, since a trusted proxy has received it over
 * TLS, or it is the challenge of a certificate authority. The target stays as it was sent, on the host that it was sent to, so
 * that it leads nowhere else.
 *
 * @param port that of the server with TLS
 */
export function redirectToHttps(exchange: Exchange, port: number): NextAction | null {
  const { head, peer } = exchange
  const { method, target, form, query } = head
  if (peer.scheme === 'https' || ((method === 'GET' || method === 'HEAD') && challenge.test(query))) return null
  const host = peer.hostOf(head).replace(/:\d*$/, '')
  if (host === '') return reject(exchange, rejections.noHost)
  // CONNECT, and OPTIONS for the server as a whole, have no path to redirect to.
  if (!query.startsWith('/')) return reject(exchange, rejections.misdirected)
  const path = form === 'origin' ? target : target.replace(/^[^:]*:\/\/[^/?]*/, '')
  return redirect(exchange, `https://${host}${port === 443 ? '' : `:${port}`}${path.startsWith('/') ? '' : '/'}${path}`)
}
