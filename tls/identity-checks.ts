import type { KeyObject, X509Certificate } from 'node:crypto'
import { covers } from './host-name.js'
import { FileFault } from './identity-files.js'

/** Reports a problem of a file that does not prevent its use. */
export type Warn = (file: string, text: string) => void

/** P-256, P-384 and P-521, as OpenSSL calls them. */
const curves = ['prime256v1', 'secp384r1', 'secp521r1']

/** @throws FileFault if clients could not use the key */
export function checkKeyKind(key: KeyObject, keyFile: string): void {
  const kind = key.asymmetricKeyType
  const details = key.asymmetricKeyDetails
  if (kind === 'ed25519') return
  if (kind === 'rsa') {
    const bits = details?.modulusLength ?? 0
    if (bits < 2048) throw new FileFault(keyFile, `an RSA key of ${bits} bits is too short: clients want 2048 at least`)
    return
  }
  if (kind === 'ec') {
    const curve = details?.namedCurve ?? 'unknown'
    if (curves.includes(curve)) return
    throw new FileFault(keyFile, `an ECDSA key on the curve ${curve} does not work: P-256 and P-384 do`)
  }
  throw new FileFault(keyFile, `a key of the kind ${kind ?? 'unknown'} does not work: RSA, ECDSA and Ed25519 do`)
}

/**
 * Checks that the server's certificate is valid now. For the others this only warns: clients may have another version of them.
 * @throws FileFault
 */
export function checkDates(chain: readonly X509Certificate[], now: number, file: string, warn: Warn): void {
  chain.forEach((certificate, index) => {
    const problem = dateProblem(certificate, now)
    if (problem === null) return
    if (index === 0) throw new FileFault(file, `the certificate ${problem}`)
    warn(file, `certificate ${index + 1} of the chain ${problem}`)
  })
}

function dateProblem({ validFrom, validTo }: X509Certificate, now: number): string | null {
  // The negations make an unreadable date count as a problem.
  if (!(Date.parse(validFrom) / 1000 <= now)) return `is not valid yet (valid from ${validFrom})`
  if (!(now < Date.parse(validTo) / 1000)) return `has expired (valid until ${validTo})`
  return null
}

/** Warns if the certificate does not cover the host that it is listed for. */
export function checkCoverage(certificate: X509Certificate, pattern: string, file: string, warn: Warn): void {
  if (!covers(certificate, pattern)) warn(file, `the certificate does not cover ${pattern}${coverage(certificate)}`)
}

function coverage({ subjectAltName }: X509Certificate): string {
  return subjectAltName === undefined ? ': it names no host at all' : ` (it covers ${subjectAltName})`
}
