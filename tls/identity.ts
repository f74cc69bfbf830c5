import { createHash, type X509Certificate } from 'node:crypto'
import type { SecureContext } from 'node:tls'
import { systemTime } from '../lev/index.js'
import { messageOf } from '../lev/internal.js'
import { orderChain } from './chain.js'
import { oneLine } from './facts.js'
import { normalHostPattern } from './host-name.js'
import { checkCoverage, checkDates, checkKeyKind, type Warn } from './identity-checks.js'
import { IdentityError, identityName, type IdentityConfig, type TlsConfig } from './identity-config.js'
import {
  FileFault, parseCertificates, parseKeyMaterial, readSource, readSources, type SourceFile, type SourceFiles,
} from './identity-files.js'
import { secureContext, type KeyPair } from './secure-context.js'
import { Identities, type Identity } from './sni.js'
import { rotated, ticketSecretText, type ContextAt } from './tickets.js'

/** The result of `loadIdentities`. */
export interface LoadedIdentities {
  /** The identities, ready for handshakes. */
  readonly identities: Identities
  /** Problems that do not prevent use, one sentence each, naming host and file. */
  readonly warnings: string[]
}

/**
 * Reads and checks all certificates and keys of a configuration: if one of them is not good, it returns none.
 *
 * @param now seconds since 1970-01-01T00:00:00Z
 * @throws IdentityError for the first identity that cannot be used
 */
export function loadIdentities(config: TlsConfig, now: number): LoadedIdentities {
  return new IdentityLoader().load(config, now)
}

/** Loads successive configurations. Files whose content has not changed since the last one are not parsed again. */
export class IdentityLoader {
  /** The identities of the last good configuration, by `digestOf`. */
  #parsed: ReadonlyMap<string, ParsedIdentity> = new Map()
  /** Stands in for `ticket_secret` where there is none; null: random keys. */
  readonly #ticketSecret: string | null

  /** @param ticketSecret @internal */
  constructor(ticketSecret: string | null = null) {
    this.#ticketSecret = ticketSecret
  }

  /** Like `loadIdentities`. */
  load(config: TlsConfig, now: number): LoadedIdentities {
    const steps = this.steps(config, now)
    for (;;) {
      const { done, value } = steps.next()
      if (done === true) return value
    }
  }

  /** Like `loadIdentities`, one host per step. A load must not begin before the previous one has ended. */
  *steps(config: TlsConfig, now: number): Generator<undefined, LoadedIdentities, undefined> {
    const warnings: string[] = []
    const parsed = new Map<string, ParsedIdentity>()
    const date = config.allow_expired === true ? null : now
    const secret = secretOf(config) ?? this.#ticketSecret
    const load = (host: string, pattern: string | null, from: IdentityConfig | readonly IdentityConfig[]): Identity =>
      naming(host, () => {
        const sources = readHost(pattern, [from].flat(), secret)
        const digest = digestOf(sources)
        const found = this.#parsed.get(digest) ?? parseHost(sources)
        parsed.set(digest, found)
        checkHost(sources, found, date, (file, text) => warnings.push(`${identityName(host)}: ${file}: ${text}`))
        return found.identity
      })
    const first = load('default', null, config.default)
    const others = new Map<string, Identity>()
    for (const [host, from] of Object.entries(config.hosts ?? {})) {
      yield
      const pattern = patternOf(host)
      if (others.has(pattern)) throw new IdentityError(host, null, `it is listed twice: both are ${pattern}`)
      others.set(pattern, load(host, pattern, from))
    }
    this.#parsed = parsed
    return { identities: new Identities(first, others.values()), warnings }
  }
}

/** @throws IdentityError */
function secretOf({ ticket_secret: secret }: TlsConfig): string | null {
  try {
    return secret === null || secret === undefined ? null : ticketSecretText(secret)
  } catch (error) {
    throw new IdentityError('default', null, `ticket_secret ${messageOf(error)}`)
  }
}

/** Adds the host to an error in a file. */
function naming<T>(host: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    if (error instanceof FileFault) throw new IdentityError(host, error.file, error.message, { cause: error.cause })
    throw error
  }
}

function patternOf(host: string): string {
  try {
    return normalHostPattern(host)
  } catch (error) {
    throw new IdentityError(host, null, messageOf(error))
  }
}

/** The files of one certificate and its key, and the passphrase. */
interface PairSources extends SourceFiles {
  readonly passphrase: string | undefined
}

/** Everything that one identity is made from. */
interface HostSources {
  /** Null for the default identity. */
  readonly pattern: string | null
  readonly pairs: readonly PairSources[]
  readonly ca: SourceFile | null
  readonly clientCertificate: Identity['clientCertificate']
  /** Null: random keys for tickets. */
  readonly ticketSecret: string | null
}

/** An identity, and the data that is checked again each time that it is loaded. */
interface ParsedIdentity {
  readonly identity: Identity
  /** For each pair: its chain, and problems of its certificate file. */
  readonly chains: readonly { readonly chain: readonly X509Certificate[]; readonly problems: readonly string[] }[]
  readonly authorities: readonly X509Certificate[]
}

/** Reads all files of one host. */
function readHost(pattern: string | null, configs: readonly IdentityConfig[], ticketSecret: string | null): HostSources {
  const [first, ...others] = configs
  if (first === undefined) throw new FileFault(null, 'its list is empty')
  if (others.some(({ ca, client_certificate }) => (ca ?? client_certificate ?? null) !== null)) {
    throw new FileFault(null, 'ca and client_certificate belong in the first identity of a list')
  }
  const pairs = configs.map((config) => ({ ...readSources(config), passphrase: config.passphrase ?? undefined }))
  const ca = first.ca ?? null
  const clientCertificate = first.client_certificate ?? 'none'
  if (ca === null && clientCertificate === 'require') {
    throw new FileFault(null, 'client_certificate "require" needs ca: without it no certificate would do')
  }
  return { pattern, pairs, ca: ca === null ? null : readSource(ca), clientCertificate, ticketSecret }
}

/** A digest of the content, independent of the paths it was read from. */
function digestOf({ pattern, pairs, ca, clientCertificate, ticketSecret }: HostSources): string {
  const hash = createHash('sha256')
  const add = (part: Buffer): unknown => hash.update(`${part.length}:`).update(part)
  add(Buffer.from(JSON.stringify([pattern, clientCertificate, ticketSecret, ca !== null, pairs.map(({ form, passphrase }) => [form, passphrase ?? null])])))
  for (const { certificate, key } of pairs) [certificate, key].forEach(({ content }) => add(content))
  if (ca !== null) add(ca.content)
  return hash.digest('base64')
}

/** @throws FileFault */
function parseHost(sources: HostSources): ParsedIdentity {
  const { pattern, pairs, ca, clientCertificate } = sources
  const parsed = pairs.map(parsePair)
  parsed.forEach(({ key }, index) => {
    const kind = key.asymmetricKeyType
    if (parsed.findIndex((one) => one.key.asymmetricKeyType === kind) === index) return
    throw new FileFault(pairs[index]?.key.path ?? null, `its list has two keys of the kind ${String(kind)}: give one of each kind`)
  })
  const authorities = ca === null ? [] : parseCertificates(ca)
  const host = pattern ?? 'default'
  const certificates = parsed.map(({ leaf }) => leaf)
  const clientAuthorities = new Set(authorities.map(({ fingerprint256 }) => fingerprint256))
  const contextAt = contextsOf(sources, host, parsed, authorities)
  const identity = { host, get context() { return contextAt(systemTime()) }, contextAt, certificates, clientCertificate, clientAuthorities }
  return { identity, chains: parsed, authorities }
}

/** Makes the first context at once: it may be refused. */
function contextsOf(
  { clientCertificate, ticketSecret }: HostSources, host: string, pairs: readonly ParsedPair[], authorities: readonly X509Certificate[],
): ContextAt {
  const make = (ticketKeys: Buffer | null): SecureContext => secureContext(host, pairs, authorities.map(String), ticketKeys)
  if (ticketSecret === null) {
    const context = make(null)
    return () => context
  }
  // A client that resumes a session does not check the certificate again: it must be one for the same names. And its own certificate is
  // not checked again: the rules for that must be the same.
  const names = pairs.map(({ leaf }) => leaf.subjectAltName ?? '')
  const trusted = authorities.map(({ fingerprint256 }) => fingerprint256)
  const contextAt = rotated(ticketSecret, [host, clientCertificate, [...new Set(names)].sort(), [...new Set(trusted)].sort()], make)
  contextAt(systemTime())
  return contextAt
}

type ParsedPair = KeyPair & ParsedIdentity['chains'][number] & { readonly leaf: X509Certificate }

function parsePair(sources: PairSources): ParsedPair {
  const { key, certificates } = parseKeyMaterial(sources, sources.passphrase)
  checkKeyKind(key, sources.key.path)
  const { chain, problems } = orderChain(certificates, key)
  const [leaf] = chain
  if (leaf === undefined) throw new FileFault(sources.key.path, mismatch(sources))
  return { key, chain, leaf, problems }
}

function mismatch({ form, certificate }: SourceFiles): string {
  const where = form === 'pkcs12' ? 'any certificate in the file' : `the certificate in ${certificate.path}`
  return `the key does not belong to ${where}`
}

/** Repeats the checks that depend on the time, and the warnings. `now` is null if dates are not to be checked. */
function checkHost({ pattern, pairs, ca, clientCertificate }: HostSources, parsed: ParsedIdentity, now: number | null, warn: Warn): void {
  parsed.chains.forEach(({ chain, problems }, index) => {
    const file = pairs[index]?.certificate.path ?? ''
    for (const problem of problems) warn(file, problem)
    if (now !== null) checkDates(chain, now, file, warn)
    if (pattern !== null && chain[0] !== undefined) checkCoverage(chain[0], pattern, file, warn)
  })
  if (ca === null) return
  if (clientCertificate === 'none') {
    warn(ca.path, 'ca has no effect without client_certificate; intermediate certificates belong into cert')
  }
  for (const { ca: mayIssue, subject } of parsed.authorities) {
    if (!mayIssue) warn(ca.path, `${oneLine(subject)} is no certificate authority: it vouches for itself alone`)
  }
}
