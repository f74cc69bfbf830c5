import type { Handshake } from './handshake.js'
import { covers, normalHostName } from './host-name.js'
import type { Identities, Identity } from './sni.js'

/**
 * Whether a request for `host` (a name, no port) may be served on a connection with this handshake, by the identities of
 * today (RFC 9110 section 7.4: 421 Misdirected Request):
 * - What the client has proved must still hold: no authority that may have vouched for its certificate was taken away.
 * - A host that wants client certificates needs a handshake for its own name, which asked for one, and with `require` a
 *   certificate that is trusted.
 * - Another host needs a handshake for its own name or a certificate that covers it, unless no list knows the host.
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

/** Whether each authority of `former` is one of `current`, too. */
function trustsAll(current: Identity, former: Identity): boolean {
  if (current === former) return true
  for (const authority of former.clientAuthorities) if (!current.clientAuthorities.has(authority)) return false
  return true
}
