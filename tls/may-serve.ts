import type { Handshake } from './handshake.js'
import { covers, normalHostName } from './host-name.js'
import type { Identities, Identity } from './sni.js'

/**
 * Whether a request for `host` (a name without a port) may be served on a connection with this handshake, given the current
 * identities (RFC 9110 section 7.4: 421 Misdirected Request):
 * - A verified client certificate must still be trusted: no authority that may have issued it was removed.
 * - A host that asks for client certificates needs a handshake for its own name that asked for one and, with `require`, a
 *   trusted certificate.
 * - Any other host needs a handshake for its own name or a certificate that covers it, unless the host is not listed.
 */
export function mayServe(identities: Identities, handshake: Handshake, host: string): boolean {
  const { identity: shown, facts } = handshake
  const wanted = identities.choose(host)
  const asked = identities.choose(facts.server_name)
  const stillTrusted = trustsAll(asked, shown)
  const verified = facts.client_certificate?.authorized === true
  if (verified && !stillTrusted) return false
  if (wanted.clientCertificate !== 'none') {
    return wanted === asked && stillTrusted && (wanted.clientCertificate === 'require' ? verified : shown.clientCertificate !== 'none')
  }
  const name = normalHostName(host)
  return wanted === asked || wanted === identities.default || (name !== null && shown.certificates.every((certificate) => covers(certificate, name)))
}

/** Whether `current` has all authorities of `former`. */
function trustsAll(current: Identity, former: Identity): boolean {
  if (current === former) return true
  for (const authority of former.clientAuthorities) if (!current.clientAuthorities.has(authority)) return false
  return true
}
