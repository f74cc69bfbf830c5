import { readFileSync } from 'node:fs'
import tls from 'node:tls'
import t from 'tap'
import { scope, wait, type Op } from '../../lev/index.js'
import { loadIdentities, type IdentityConfig } from '../../tls/index.js'
import { Certificates, type Issued, type KeyKind } from './certificates.js'
import { serving } from './serving.js'

const certificates = new Certificates()
t.teardown(() => certificates.remove())
const root = certificates.issue({ names: ['Root'], ca: true })
const ca = readFileSync(root.cert)

/** An identity with an intermediate certificate of its own, which clients do not have. */
function issue(name: string, kind: KeyKind, middleKind: KeyKind): Issued {
  const middle = certificates.issue({ names: [`Middle of ${name} ${kind}`], ca: true, by: root, kind: middleKind })
  const leaf = certificates.issue({ names: [name], kind, by: middle })
  return { cert: certificates.joined(`${name}-${kind}.pem`, leaf.cert, middle.cert), key: leaf.key }
}

/** What a client is shown that verifies the chain; `null`: the handshake failed. */
function shown(port: number, servername: string, options: tls.ConnectionOptions): Promise<unknown> {
  return new Promise((resolve) => {
    const socket = tls.connect({ port, host: '127.0.0.1', servername, ca, ...options })
    socket.once('error', () => resolve(null))
    socket.once('secureConnect', () => {
      const { subject, asn1Curve, issuerCertificate } = socket.getPeerCertificate(true)
      const kind = asn1Curve ?? (socket.getPeerX509Certificate()?.publicKey.asymmetricKeyType)
      socket.destroy()
      resolve([subject.CN, kind, issuerCertificate.subject.CN])
    })
  })
}

const rsaOnly = 'rsa_pss_rsae_sha256:RSA+SHA256'
const ecdsaOnly = 'ecdsa_secp256r1_sha256'
const old = 'ECDHE-RSA-AES128-GCM-SHA256'

for (const [order, list] of [
  ['RSA first', (name: string): IdentityConfig[] => [issue(name, 'rsa', 'p256'), issue(name, 'p256', 'rsa')]],
  ['ECDSA first', (name: string): IdentityConfig[] => [issue(name, 'p256', 'rsa'), issue(name, 'rsa', 'p256')]],
] as const) {
  t.test(`each client gets the identity that it can use: ${order}`, async (t) => {
    const { identities, warnings } = loadIdentities({
      default: list('default.test'), hosts: { 'two.test': list('two.test'), 'rsa.test': issue('rsa.test', 'rsa', 'rsa') },
    }, Date.now() / 1000)
    t.same(warnings, [])
    await serving(identities, (port) => scope(function* (): Op<void> {
      for (const [name, host] of [['two.test', 'two.test'], ['default.test', 'unknown.test']] as const) {
        const checkServerIdentity = (): undefined => undefined
        for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
          for (const [sigalgs, kind] of [[undefined, 'prime256v1'], [rsaOnly, 'rsa'], [ecdsaOnly, 'prime256v1'], [`${rsaOnly}:${ecdsaOnly}`, 'prime256v1']]) {
            const options = { maxVersion, checkServerIdentity, ...(sigalgs === undefined ? {} : { sigalgs }) }
            t.same(yield* wait(shown(port, host, options)), [name, kind, `Middle of ${name} ${kind === 'rsa' ? 'rsa' : 'p256'}`], `${host} ${maxVersion} ${sigalgs}`)
          }
        }
        const byCipher = { maxVersion: 'TLSv1.2', ciphers: old, checkServerIdentity } as const
        t.same(yield* wait(shown(port, host, byCipher)), [name, 'rsa', `Middle of ${name} rsa`], 'by its ciphers')
      }
      t.equal(yield* wait(shown(port, 'rsa.test', { sigalgs: ecdsaOnly })), null, 'with one identity there is no other')
    }))
    t.end()
  })
}
