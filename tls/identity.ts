import { constants, createHash, type X509Certificate } from 'node:crypto'
import type { SecureContext } from 'node:tls'
import { orderChain } from './chain.js'
import { oneLine } from './facts.js'
import { covers, normalHostPattern } from './host-name.js'
import { IdentityError, identityName, type IdentityConfig, type TlsConfig } from './identity-config.js'
import { FileFault, readCertificates, readKeyMaterial, type KeyMaterial } from './identity-files.js'
import { Identities, type Identity } from './sni.js'

/** What `loadIdentities` read. */
export interface LoadedIdentities {
  /** Ready for handshakes. */
  readonly identities: Identities
  /** What is odd but works, one sentence each; they name host and file. */
  readonly warnings: string[]
}

/**
 * Reads and checks all certificates and keys of a configuration: every one of them is good, or none is given.
 *
 * @param now seconds since 1970-01-01T00:00:00Z
 * @throws IdentityError for the first identity that cannot be used
 */
export function loadIdentities(config: TlsConfig, now: number): LoadedIdentities {
  const warnings: string[] = []
  const load = (host: string, pattern: string | null, from: IdentityConfig): Identity => {
    const warn = (file: string, text: string): void => {
      warnings.push(`${identityName(host)}: ${file}: ${text}`)
    }
    try {
      return loadIdentity(pattern, from, config.allow_expired === true ? null : now, warn)
    } catch (error) {
      if (error instanceof FileFault) throw new IdentityError(host, error.file, error.message, { cause: error.cause })
      throw error
    }
  }
  const fallback = load('default', null, config.default)
  const hosts = new Map<string, Identity>()
  for (const [host, from] of Object.entries(config.hosts ?? {})) {
    const pattern = patternOf(host)
    if (hosts.has(pattern)) throw new IdentityError(host, null, `it is listed twice: both are ${pattern}`)
    hosts.set(pattern, load(host, pattern, from))
  }
  return { identities: new Identities(fallback, hosts.values()), warnings }
}

function patternOf(host: string): string {
  try {
    return normalHostPattern(host)
  } catch (error) {
    throw new IdentityError(host, null, error instanceof Error ? error.message : String(error))
  }
}

type Warn = (file: string, text: string) => void

/** `pattern` is null for the default identity; `now` is null when dates do not count. */
function loadIdentity(pattern: string | null, config: IdentityConfig, now: number | null, warn: Warn): Identity {
  const material = readKeyMaterial(config)
  checkKeyKind(material)
  const { chain, problems } = orderChain(material.certificates, material.key)
  const [leaf] = chain
  if (leaf === undefined) throw new FileFault(material.keyFile, mismatch(material))
  for (const problem of problems) warn(material.certificateFile, problem)
  if (now !== null) checkDates(chain, now, material.certificateFile, warn)
  if (pattern !== null && !covers(leaf, pattern)) {
    warn(material.certificateFile, `the certificate does not cover ${pattern}${coverage(leaf)}`)
  }
  const clientCertificate = config.client_certificate ?? 'none'
  const authorities = clientAuthorities(config, warn)
  const context = secureContext(pattern ?? 'default', chain, material, authorities)
  return { host: pattern ?? 'default', context, certificate: leaf, clientCertificate }
}

function mismatch({ keyFile, certificateFile }: KeyMaterial): string {
  const where = keyFile === certificateFile ? 'any certificate in the file' : `the certificate in ${certificateFile}`
  return `the key does not belong to ${where}`
}

/** P-256, P-384 and P-521, as OpenSSL calls them. */
const curves = ['prime256v1', 'secp384r1', 'secp521r1']

function checkKeyKind({ key, keyFile }: KeyMaterial): void {
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

/** The server's own certificate must be in date; of one above it clients may know another issue. */
function checkDates(chain: readonly X509Certificate[], now: number, file: string, warn: Warn): void {
  chain.forEach((certificate, index) => {
    const problem = dateProblem(certificate, now)
    if (problem === null) return
    if (index === 0) throw new FileFault(file, `the certificate ${problem}`)
    warn(file, `certificate ${index + 1} of the chain ${problem}`)
  })
}

function dateProblem({ validFrom, validTo }: X509Certificate, now: number): string | null {
  // Written so that a date that cannot be read counts as a problem.
  if (!(Date.parse(validFrom) / 1000 <= now)) return `is not valid yet (valid from ${validFrom})`
  if (!(now < Date.parse(validTo) / 1000)) return `has expired (valid until ${validTo})`
  return null
}

function coverage({ subjectAltName }: X509Certificate): string {
  return subjectAltName === undefined ? ': it names no host at all' : ` (it covers ${subjectAltName})`
}

function clientAuthorities(config: IdentityConfig, warn: Warn): string[] {
  const { ca = null, client_certificate = null } = config
  if (ca === null) {
    if (client_certificate !== 'require') return []
    throw new FileFault(null, 'client_certificate "require" needs ca: without it no certificate would do')
  }
  const authorities = readCertificates(ca)
  if (client_certificate === null) {
    warn(ca, 'ca has no effect without client_certificate; intermediate certificates belong into cert')
  }
  for (const { ca: isAuthority, subject } of authorities) {
    if (!isAuthority) warn(ca, `${oneLine(subject)} is no certificate authority: it vouches for itself alone`)
  }
  return authorities.map(String)
}

/** Forward secrecy and authenticated encryption only (RFC 9325 section 4.2), cheapest first. */
const ciphers = [
  'TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

/**
 * Each identity has a context of its own, so also its own keys for session tickets: a ticket of one host says nothing
 * to another. The session id context holds the two apart once more.
 */
function secureContext(
  host: string,
  chain: readonly X509Certificate[],
  { key, keyFile }: KeyMaterial,
  authorities: string[],
): SecureContext {
  try {
    return process.getBuiltinModule('node:tls').createSecureContext({
      cert: chain.map(String).join(''),
      key: key.export({ type: 'pkcs8', format: 'pem' }),
      // A list, if empty, keeps node from trusting the public authorities with clients' certificates.
      ca: authorities,
      ciphers,
      honorCipherOrder: true,
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      // Clients that put ChaCha20 first have no AES hardware.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_PRIORITIZE_CHACHA,
      sessionIdContext: createHash('sha256').update(host).digest('hex').slice(0, 32),
    })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new FileFault(keyFile, `the TLS library refuses it: ${reason}`, { cause: error })
  }
}
