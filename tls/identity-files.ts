import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { messageOf } from '../lev/internal.js'
import { readPkcs12 } from './pkcs12.js'
import type { IdentityConfig } from './identity-config.js'

/** A file that was read but not parsed. */
export interface SourceFile {
  readonly path: string
  readonly content: Buffer
}

/** The files of one certificate and its key; for PKCS#12 both are the same file. */
export interface SourceFiles {
  readonly form: 'pem' | 'pkcs12'
  readonly certificate: SourceFile
  readonly key: SourceFile
}

/** A key and the certificates from its files, not compared yet. */
interface KeyMaterial {
  readonly key: KeyObject
  readonly certificates: readonly X509Certificate[]
}

/** A problem with one file; the caller adds the host that it was for. */
export class FileFault extends Error {
  readonly file: string | null

  constructor(file: string | null, reason: string, options?: ErrorOptions) {
    super(reason, options)
    this.file = file
  }
}

/** In bytes. Larger files are certainly something else; and only regular files are read, since a device or a pipe could hang. */
const sizeLimit = 1024 * 1024

const systemReasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'permission to read it is denied',
  EPERM: 'permission to read it is denied',
  ELOOP: 'its symbolic links go in a circle',
  ENAMETOOLONG: 'the path is too long',
}

/** @throws FileFault */
export function readSource(path: string): SourceFile {
  try {
    const facts = statSync(path)
    if (facts.isDirectory()) throw new FileFault(path, 'it is a directory')
    if (!facts.isFile()) throw new FileFault(path, 'it is no regular file')
    if (facts.size > sizeLimit) throw new FileFault(path, 'it is too large')
    return { path, content: readFileSync(path) }
  } catch (error) {
    if (error instanceof FileFault) throw error
    const code = errorCode(error)
    throw new FileFault(path, systemReasons[code] ?? `it cannot be read: ${code || String(error)}`, { cause: error })
  }
}

export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

/** @throws FileFault */
export function readSources({ cert = null, key = null, pfx = null }: IdentityConfig): SourceFiles {
  if (pfx !== null) {
    if (cert !== null || key !== null) {
      throw new FileFault(null, 'pfx takes the place of cert and key: give either')
    }
    const file = readSource(pfx)
    return { form: 'pkcs12', certificate: file, key: file }
  }
  if (cert === null) throw new FileFault(null, 'cert is missing: it needs cert and key, or pfx')
  if (key === null) throw new FileFault(null, 'key is missing: it needs cert and key, or pfx')
  return { form: 'pem', certificate: readSource(cert), key: readSource(key) }
}

/** @throws FileFault */
export function parseKeyMaterial({ form, certificate, key }: SourceFiles, passphrase: string | undefined): KeyMaterial {
  if (form === 'pkcs12') return attempt(key.path, () => readPkcs12(key.content, passphrase))
  return { certificates: parseCertificates(certificate), key: parseKey(key, passphrase) }
}

function attempt<T>(file: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    if (error instanceof FileFault) throw error
    throw new FileFault(file, messageOf(error), { cause: error })
  }
}

const pemCertificate = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----[^-]*-----END \1-----/g

/** All certificates of a PEM file, in its order. @throws FileFault */
export function parseCertificates({ path, content }: SourceFile): X509Certificate[] {
  const text = content.toString('latin1')
  const blocks = text.match(pemCertificate)
  if (blocks === null) throw new FileFault(path, `it holds no certificate in PEM form${whatElse(text)}`)
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block)
    } catch (error) {
      const which = blocks.length === 1 ? 'its certificate' : `certificate ${index + 1} of ${blocks.length} in it`
      throw new FileFault(path, `${which} cannot be read: the file is damaged`, { cause: error })
    }
  })
}

const pemKey = /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/
const encryptedKey = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m

function parseKey({ path, content }: SourceFile, passphrase: string | undefined): KeyObject {
  const text = content.toString('latin1')
  if (!pemKey.test(text)) throw new FileFault(path, `it holds no private key in PEM form${whatElse(text)}`)
  const encrypted = encryptedKey.test(text)
  if (encrypted && passphrase === undefined) {
    throw new FileFault(path, 'the key is encrypted and no passphrase was given')
  }
  try {
    return createPrivateKey({ key: text, ...(encrypted ? { passphrase } : {}) })
  } catch (error) {
    const reason = encrypted
      ? 'the key cannot be decrypted: the passphrase is wrong, or the file is damaged'
      : 'the key cannot be read: the file is damaged or its kind is unknown'
    throw new FileFault(path, reason, { cause: error })
  }
}

function whatElse(text: string): string {
  const kind = /-----BEGIN ([A-Z0-9 ]{1,40})-----/.exec(text)?.[1]
  if (kind !== undefined) return `, but a ${kind}`
  return text.startsWith('\x30') ? ' (it may be in DER form)' : ''
}
