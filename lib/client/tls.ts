import type { ClientTlsOptions } from '../../tls/index.js'

/** The TLS options that apply to every server: which certificates to trust. */
export function publicTls(tls: ClientTlsOptions | null): ClientTlsOptions | null {
  if (tls === null || (tls.ca === undefined && tls.verify === undefined)) return null
  return { ...(tls.ca === undefined ? {} : { ca: tls.ca }), ...(tls.verify === undefined ? {} : { verify: tls.verify }) }
}
