import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import type Forge from 'node-forge'
import { messageOf } from '../lev/internal.js'
import { forge } from './forge.js'

/**
 * Reads the private key and the certificates of a PKCS#12 file. If node:tls got the file itself, it would also trust client
 * certificates signed by any certificate in it, and the server's certificate could not be checked.
 * @throws Error whose message says what is wrong with the file
 */
export function readPkcs12(
  bytes: Buffer,
  passphrase: string | undefined,
): { key: KeyObject; certificates: X509Certificate[] } {
  const bags = open(bytes, passphrase)
  const keys = bags.filter(({ type }) => type === forge().pki.oids['pkcs8ShroudedKeyBag'] || type === forge().pki.oids['keyBag'])
  const [bag, second] = keys
  if (bag === undefined) throw new Error('it holds no private key')
  if (second !== undefined) throw new Error('it holds more than one private key')
  const certificates = bags.filter(({ type }) => type === forge().pki.oids['certBag']).map(certificateOf)
  if (certificates.length === 0) throw new Error('it holds no certificate')
  return { key: keyOf(bag), certificates }
}

function open(bytes: Buffer, passphrase: string | undefined): Forge.pkcs12.Bag[] {
  let file: Forge.asn1.Asn1
  try {
    file = forge().asn1.fromDer(bytes.toString('latin1'))
  } catch (error) {
    throw new Error('it is no PKCS#12 file, or damaged', { cause: error })
  }
  try {
    // Files without a passphrase are created with an empty one or with none at all; PKCS#12 distinguishes the two.
    return unpack(file, passphrase ?? '')
  } catch (error) {
    throw new Error(faultOf(error, passphrase), { cause: error })
  }
}

function unpack(file: Forge.asn1.Asn1, passphrase: string): Forge.pkcs12.Bag[] {
  const contents = (of: Forge.asn1.Asn1, secret: string) =>
    forge().pkcs12.pkcs12FromAsn1(of, true, secret).safeContents.flatMap(({ safeBags }) => safeBags)
  try {
    return contents(file, passphrase)
  } catch (error) {
    const ascii = /^[\x00-\x7f]*$/.test(passphrase)
    if (ascii || !cannotDecrypt.test(messageOf(error)) || !Array.isArray(file.value)) throw error
    // The check over the whole file has passed, with the passphrase as UTF-16 (RFC 7292 appendix B.1). The encryption of
    // newer files uses UTF-8 (RFC 8018), which forge leaves to its callers: so try again, without that check.
    return contents({ ...file, value: file.value.slice(0, 2) }, Buffer.from(passphrase).toString('latin1'))
  }
}

const cannotDecrypt = /wrong password|Failed to decrypt/


function faultOf(error: unknown, passphrase: string | undefined): string {
  const message = messageOf(error)
  if (cannotDecrypt.test(message) || /MAC could not be verified/.test(message)) {
    return passphrase === undefined
      ? 'it is encrypted and no passphrase was given'
      : 'it cannot be decrypted: the passphrase is wrong, or the file is damaged'
  }
  if (/not an PKCS#12|validate|Cannot read/i.test(message)) return 'it is no PKCS#12 file, or damaged'
  return `it cannot be read: ${message}`
}

function der(value: Forge.asn1.Asn1): Buffer {
  return Buffer.from(forge().asn1.toDer(value).getBytes(), 'latin1')
}

/** forge supports only RSA; for other keys it returns the bytes, which Node can read. */
function keyOf(bag: Forge.pkcs12.Bag): KeyObject {
  const rsa = bag.key ?? null
  const bytes = der(rsa === null ? bag.asn1 : forge().pki.wrapRsaPrivateKey(forge().pki.privateKeyToAsn1(rsa)))
  return createPrivateKey({ key: bytes, format: 'der', type: 'pkcs8' })
}

function certificateOf(bag: Forge.pkcs12.Bag): X509Certificate {
  const rsa = bag.cert ?? null
  return new X509Certificate(der(rsa === null ? bag.asn1 : forge().pki.certificateToAsn1(rsa)))
}
