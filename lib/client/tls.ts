import type { ClientTlsOptions } from '../../tls/index.js'

/** What of the TLS options holds for every server: whom to trust. */
export function publicTls(tls: ClientTlsOptions | null): ClientTlsOptions | null {
  if (tls === null || (tls.ca === undefined && tls.verify === undefined)) return null
  return { ...(tls.ca === undefined ? {} : { ca: tls.ca }), ...(tls.verify === undefined ? {} : { verify: tls.verify }) }
}
