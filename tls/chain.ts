import type { KeyObject, X509Certificate } from 'node:crypto'

interface Chain {
  /** The key's own certificate, then the issuer of each as far as given. Empty if no certificate belongs to the key. */
  readonly chain: X509Certificate[]
  /** Problems of the file that its owner should fix. */
  readonly problems: string[]
}

/**
 * Puts certificates into the order that TLS requires: each is certified by the next one (RFC 5246 section 7.4.2).
 * Certificates that are not part of the chain are left out.
 */
export function orderChain(certificates: readonly X509Certificate[], key: KeyObject): Chain {
  const leaf = certificates.find((certificate) => certificate.checkPrivateKey(key))
  if (leaf === undefined) return { chain: [], problems: [] }
  const rest = certificates.filter((certificate) => certificate !== leaf)
  const chain = [leaf]
  for (let last = leaf; !selfIssued(last); ) {
    const index = rest.findIndex((candidate) => issued(candidate, last))
    const issuer = rest[index]
    if (issuer === undefined) break
    rest.splice(index, 1)
    chain.push(issuer)
    last = issuer
  }
  return { chain, problems: problemsOf(certificates, chain) }
}

/** Compares names and key identifiers only; clients verify the signatures. */
function issued(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(issuer)
}

function selfIssued(certificate: X509Certificate): boolean {
  return certificate.subject === certificate.issuer
}

function problemsOf(given: readonly X509Certificate[], chain: readonly X509Certificate[]): string[] {
  const problems: string[] = []
  const unused = given.length - chain.length
  if (unused > 0) {
    const are = unused === 1 ? 'is' : 'are'
    problems.push(`${unused} of its certificates ${are} no part of the chain and will not be sent`)
  }
  if (chain.some((certificate, index) => certificate !== given.filter((one) => chain.includes(one))[index])) {
    problems.push('its certificates are not in order; they will be sent in the right one')
  }
  const last = chain.at(-1)
  // Certificates of public authorities give the location of their issuer's, and need it sent; private ones hardly ever do.
  if (chain.length === 1 && last !== undefined && !selfIssued(last) && /CA Issuers/.test(last.infoAccess ?? '')) {
    problems.push('the certificate of its issuer is not in the file: many clients will not be able to verify it')
  }
  return problems
}
