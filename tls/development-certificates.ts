import { createPrivateKey, randomBytes } from 'node:crypto'
import type Forge from 'node-forge'
import { forge } from './forge.js'

const day = 24 * 60 * 60

/** Certificates begin a day early, because the clocks of machines in a network differ. */
const headStart = day
/** Browsers reject server certificates valid for more than 397 days; this plus the head start is less. */
const leafLifetime = 365 * day
const authorityLifetime = 3650 * day

const organization = 'Leveret development'

/** A certificate and its private key, as the text of one PEM file. */
export type Pair = string

type Extensions = Parameters<Forge.pki.Certificate['setExtensions']>[0]

/** The signer, in node-forge's types. */
interface Signer {
  readonly certificate: Forge.pki.Certificate
  readonly key: Forge.pki.rsa.PrivateKey
}

/** Creates a certificate authority. Its name is unique, so that browsers that trust an earlier one do not confuse them. */
export function makeAuthority(now: number): Pair {
  const name = `${organization} authority ${randomBytes(4).toString('hex')}`
  return make(name, now, authorityLifetime, null, [
    { name: 'basicConstraints', critical: true, cA: true, pathLenConstraint: 0 },
    { name: 'keyUsage', critical: true, keyCertSign: true, cRLSign: true },
    { name: 'subjectKeyIdentifier' },
  ])
}

/** Creates a server certificate for host names (or `*.` and a host name) and IP addresses. */
export function makeLeaf(hosts: readonly string[], addresses: readonly string[], authority: Pair, now: number): Pair {
  const certificate = forge().pki.certificateFromPem(authority)
  // forge reads only the first block of a PEM file.
  const key = forge().pki.privateKeyFromPem(createPrivateKey(authority).export({ type: 'pkcs1', format: 'pem' }).toString())
  const altNames = [...hosts.map((value) => ({ type: 2, value })), ...addresses.map((ip) => ({ type: 7, ip }))]
  // A common name has at most 64 characters (RFC 5280 appendix A); clients check the alternative names.
  return make((hosts[0] ?? organization).slice(0, 64), now, leafLifetime, { certificate, key }, [
    { name: 'basicConstraints', critical: true, cA: false },
    { name: 'keyUsage', critical: true, digitalSignature: true, keyEncipherment: true },
    { name: 'extKeyUsage', serverAuth: true },
    { name: 'subjectAltName', altNames },
    { name: 'subjectKeyIdentifier' },
    { name: 'authorityKeyIdentifier', keyIdentifier: certificate.generateSubjectKeyIdentifier().getBytes() },
  ])
}

function make(name: string, now: number, lifetime: number, signer: Signer | null, extensions: Extensions): Pair {
  const { publicKey, privateKey } = forge().pki.rsa.generateKeyPair({ bits: 2048 })
  const certificate = forge().pki.createCertificate()
  certificate.publicKey = publicKey
  certificate.serialNumber = serialNumber()
  certificate.validity.notBefore = new Date((now - headStart) * 1000)
  certificate.validity.notAfter = new Date((now + lifetime) * 1000)
  const subject = [{ name: 'organizationName', value: organization }, { name: 'commonName', value: name }]
  certificate.setSubject(subject)
  certificate.setIssuer(signer?.certificate.subject.attributes ?? subject)
  certificate.setExtensions(extensions)
  certificate.sign(signer?.key ?? privateKey, forge().md.sha256.create())
  return forge().pki.certificateToPem(certificate) + forge().pki.privateKeyToPem(privateKey)
}

/** Positive and at most 20 bytes (RFC 5280 section 4.1.2.2), with more than the 64 random bits that clients require. */
function serialNumber(): string {
  const bytes = randomBytes(16)
  bytes[0] = 0x40 | ((bytes[0] ?? 0) & 0x3f)
  return bytes.toString('hex')
}
