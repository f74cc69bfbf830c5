import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto'
import { chmodSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../lev/internal.js'
import { makeAuthority, makeLeaf, type Pair } from './development-certificates.js'
import { normalHostPattern } from './host-name.js'
import type { IdentityConfig } from './identity-config.js'
import { errorCode } from './identity-files.js'

/** The identities that `developmentIdentities` created or found. */
export interface DevelopmentIdentities {
  /** Path of the authority's certificate, for `curl --cacert` or a browser's trusted authorities. */
  readonly ca: string
  /** The setting `ssl`; the first name is also the default identity. */
  readonly ssl: { readonly default: IdentityConfig; readonly hosts: Readonly<Record<string, IdentityConfig>> }
  /** Whether any file had to be created. */
  readonly made: boolean
}

/** Minimum remaining validity of a certificate, in seconds, so that it does not expire while it is in use. */
const margin = 30 * 24 * 60 * 60

/**
 * Certificates for local development: a local authority, and an RSA certificate signed by it for each name (`localhost`
 * also covers 127.0.0.1 and ::1). They are created in `folder` if they are missing, damaged or about to expire, and reused
 * otherwise; the authority stays the same as long as possible. Synchronous; a new certificate takes 0.1 s.
 *
 * A certificate and its key are one file that is created atomically, so a killed start, or two starts at once, leave no
 * files that do not match. Files with private keys have mode 0600.
 *
 * @param names host names, or `*.` and a host name; at least one
 * @param now seconds since 1970-01-01T00:00:00Z
 * @throws Error if a name is not a host name, or `folder` cannot be written
 */
export function developmentIdentities(folder: string, names: readonly string[], now: number): DevelopmentIdentities {
  const patterns = [...new Set(names.map(checkedPattern))]
  const [first] = patterns
  if (first === undefined) throw new Error('developmentIdentities needs at least one name')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const store = new Store(folder)
  const signs = (pair: Pair): boolean => fits(pair, now) && new X509Certificate(pair).ca
  const authority = store.keep('ca-key.pem', signs, () => makeAuthority(now), true)
  const ca = store.publish('ca.pem', new X509Certificate(authority).toString())
  const identities = new Map(patterns.map((pattern): [string, IdentityConfig] => {
    const file = `${pattern.replace('*', 'wildcard')}.pem`
    const addresses = pattern === 'localhost' ? ['127.0.0.1', '::1'] : []
    const good = (pair: Pair): boolean => serves(pair, pattern, addresses, authority, now)
    store.keep(file, good, () => makeLeaf([pattern], addresses, authority, now))
    const path = join(folder, file)
    return [pattern, { cert: path, key: path }]
  }))
  return { ca, ssl: { default: identities.get(first) ?? {}, hosts: Object.fromEntries(identities) }, made: store.made }
}

function checkedPattern(name: string): string {
  try {
    return normalHostPattern(name)
  } catch (error) {
    const reason = messageOf(error)
    throw new Error(`no development identity for ${JSON.stringify(name)}: ${reason}`, { cause: error })
  }
}

/** Whether certificate and key can be read, match, and stay valid for a while. */
function fits(pair: Pair, now: number): boolean {
  const certificate = new X509Certificate(pair)
  const dated = Date.parse(certificate.validFrom) / 1000 <= now && now + margin < Date.parse(certificate.validTo) / 1000
  return dated && certificate.checkPrivateKey(createPrivateKey(pair))
}

function serves(pair: Pair, pattern: string, addresses: readonly string[], authority: Pair, now: number): boolean {
  const certificate = new X509Certificate(pair)
  const issuer = new X509Certificate(authority)
  return fits(pair, now) && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey) &&
    certificate.checkHost(pattern.replace('*', 'any-label'), { subject: 'never' }) !== undefined &&
    addresses.every((address) => certificate.checkIP(address) !== undefined)
}

/** A folder of small files that are replaced atomically. */
class Store {
  made = false
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  /** The file's content if it is good, else new content. With `first`, if two processes create it at once, the first wins. */
  keep(name: string, good: (content: string) => boolean, make: () => string, first = false): string {
    const path = join(this.#folder, name)
    const current = this.#read(path, good)
    if (current !== null) {
      if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600)
      return current
    }
    this.made = true
    const content = make()
    if (this.#write(path, content, 0o600, first)) return content
    return this.#read(path, good) ?? this.#replace(path, content)
  }

  /** Writes a world-readable file, unless it already has this content. */
  publish(name: string, content: string): string {
    const path = join(this.#folder, name)
    if (this.#read(path, (current) => current === content) === null) this.#write(path, content, 0o644, false)
    return path
  }

  /** Null if the file does not exist or is not good; a check that throws counts as not good. */
  #read(path: string, good: (content: string) => boolean): string | null {
    let content: string
    try {
      content = readFileSync(path, 'latin1')
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return null
      throw error
    }
    try {
      return good(content) ? content : null
    } catch {
      return null
    }
  }

  #replace(path: string, content: string): string {
    this.#write(path, content, 0o600, false)
    return content
  }

  /** False if `first` was given and another process has created the file. */
  #write(path: string, content: string, mode: number, first: boolean): boolean {
    const draft = `${path}.${randomBytes(6).toString('hex')}`
    try {
      writeFileSync(draft, content, { mode, flag: 'wx' })
      if (first && !link(draft, path)) return false
      if (!first) renameSync(draft, path)
      return true
    } finally {
      rmSync(draft, { force: true })
    }
  }
}

/** Gives a finished file its name. Returns false if the name is taken. */
function link(draft: string, path: string): boolean {
  try {
    linkSync(draft, path)
    return true
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false
    // The file system has no links: there the last one wins.
    renameSync(draft, path)
    return true
  }
}
