import { appendFileSync, copyFileSync } from 'node:fs'
import t from 'tap'
import { IdentityLoader, type IdentityConfig, type TlsConfig } from '../../tls/index.js'
import { Certificates } from './certificates.js'

const certificates = new Certificates()
t.teardown(() => certificates.remove())
const now = Date.now() / 1000
const day = 86_400
const root = certificates.issue({ names: ['Root'], ca: true })
const one = certificates.issue({ names: ['one.test'], by: root })
const two = certificates.issue({ names: ['two.test'], by: root, kind: 'rsa' })

/** The contexts of a configuration, by host: they are the same where nothing was parsed. */
function contexts(loader: IdentityLoader, config: TlsConfig, at = now): Map<string, unknown> {
  return new Map([...loader.load(config, at).identities].map(({ host, context }) => [host, context]))
}

/** The hosts whose identities were made anew. */
function renewed(before: Map<string, unknown>, after: Map<string, unknown>): string[] {
  return [...after].filter(([host, context]) => before.get(host) !== context).map(([host]) => host)
}

t.test('what has not changed, by content, is not parsed again', async (t) => {
  const loader = new IdentityLoader()
  const config = { default: one, hosts: { 'one.test': one, 'two.test': two } }
  const first = contexts(loader, config)
  t.same(renewed(first, contexts(loader, config)), [])

  const moved = { cert: certificates.path('moved.crt'), key: certificates.path('moved.key') }
  copyFileSync(two.cert, moved.cert)
  copyFileSync(two.key, moved.key)
  const second = { ...config, hosts: { ...config.hosts, 'two.test': moved, 'three.test': two } }
  const after = contexts(loader, second)
  t.same(renewed(first, after), ['three.test'], 'the same content in another place, and a new host')

  copyFileSync(one.cert, moved.cert)
  copyFileSync(one.key, moved.key)
  t.same(renewed(after, contexts(loader, second)), ['two.test'], 'another content in the same place')
  t.same(renewed(first, contexts(loader, config)), ['two.test'], 'what the last load did not have is not kept')
})

t.test('everything that an identity is made of counts', async (t) => {
  const locked = certificates.encrypted(one.key, 'a secret')
  const base: IdentityConfig = { cert: one.cert, key: locked, passphrase: 'a secret', ca: root.cert, client_certificate: 'request' }
  const chained = certificates.joined('chained.crt', one.cert, root.cert)
  for (const change of [
    { cert: chained }, { key: one.key }, { key: one.key, passphrase: null }, { ca: chained }, { ca: null }, { client_certificate: 'require' },
  ] as IdentityConfig[]) {
    const loader = new IdentityLoader()
    const before = contexts(loader, { default: base })
    t.same(renewed(before, contexts(loader, { default: base })), [])
    t.same(renewed(before, contexts(loader, { default: { ...base, ...change } })), ['default'], JSON.stringify(change))
  }
  const loader = new IdentityLoader()
  loader.load({ default: base }, now)
  t.throws(() => loader.load({ default: { ...base, passphrase: 'wrong' } }, now), { message: /passphrase is wrong/ })
})

t.test('what is not parsed again is checked again', async (t) => {
  const loader = new IdentityLoader()
  const config = { default: one, hosts: { 'other.test': two } }
  const { warnings } = loader.load(config, now)
  t.match(warnings, [/^the identity of "other\.test": .*does not cover other\.test/])
  t.same(loader.load(config, now).warnings, warnings)
  const moved = certificates.path('for-other.crt')
  copyFileSync(two.cert, moved)
  t.ok(loader.load({ ...config, hosts: { 'other.test': { ...two, cert: moved } } }, now).warnings[0]?.includes(moved), 'names the file of today')
  t.throws(() => loader.load(config, now + 60 * day), { message: /default identity: .*has expired/ })
  const vouching = { ...one, ca: two.cert }
  for (let count = 0; count < 2; count++) {
    t.match(loader.load({ default: vouching }, now).warnings, [/ca has no effect/, /no certificate authority/])
  }
})

t.test('after a load that failed, what was good before is known still', async (t) => {
  const loader = new IdentityLoader()
  const config = { default: one, hosts: { 'two.test': two } }
  const first = contexts(loader, config)
  const broken = certificates.path('broken.crt')
  copyFileSync(two.cert, broken)
  t.throws(() => loader.load({ ...config, hosts: { 'two.test': { ...two, cert: root.cert } } }, now), { message: /does not belong/ })
  appendFileSync(broken, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
  t.throws(() => loader.load({ ...config, hosts: { 'two.test': { ...two, cert: broken } } }, now), { message: /is damaged/ })
  t.same(renewed(first, contexts(loader, config)), [])
})

t.test('a step takes in one host', async (t) => {
  const hosts = Object.fromEntries(Array.from({ length: 5 }, (_, index) => [`${index}.test`, two]))
  const steps = new IdentityLoader().steps({ default: one, hosts }, now)
  let count = 0
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) {
      t.equal([...value.identities].length, 6)
      break
    }
    count++
  }
  t.equal(count, 5)
})

t.test('lists of identities: what is wrong', async (t) => {
  const refused = (list: readonly IdentityConfig[]): unknown => {
    try {
      return new IdentityLoader().load({ default: one, hosts: { 'two.test': list } }, now)
    } catch (error) {
      return error
    }
  }
  const rsa = certificates.issue({ names: ['two.test'], by: root, kind: 'rsa' })
  const p384 = certificates.issue({ names: ['two.test'], by: root, kind: 'p384' })
  t.match(refused([]), { name: 'IdentityError', host: 'two.test', file: null, reason: 'its list is empty' })
  t.match(refused([two, rsa]), { host: 'two.test', file: rsa.key, reason: /two keys of the kind rsa/ })
  t.match(refused([p384, two, one]), { file: one.key, reason: /two keys of the kind ec:/ })
  t.match(refused([two, { ...p384, ca: root.cert }]), { file: null, reason: /ca and client_certificate belong in the first/ })
  t.match(refused([two, { ...p384, client_certificate: 'request' }]), { reason: /belong in the first/ })
  t.match(refused([two, { cert: p384.cert, key: one.key }]), { file: one.key, reason: /does not belong to the certificate in/ })
  t.match(refused([two, { cert: p384.cert, key: certificates.path('none') }]), { reason: 'there is no such file' })
})

t.test('lists of identities: each is checked, and all are known', async (t) => {
  const loader = new IdentityLoader()
  const config = { default: [two, one], hosts: { 'two.test': [{ ...two, ca: root.cert, client_certificate: 'require' as const }, one] } }
  const { identities, warnings } = loader.load(config, now)
  t.same(identities.default.certificates.map(({ subject }) => subject), ['CN=two.test', 'CN=one.test'])
  t.equal(identities.choose('two.test').clientCertificate, 'require')
  t.match(warnings, [new RegExp(`${one.cert}: the certificate does not cover two\\.test`)])
  t.equal(loader.load(config, now).identities.default, identities.default)
  t.throws(() => loader.load(config, now + 60 * day), { message: /has expired/ })
})
