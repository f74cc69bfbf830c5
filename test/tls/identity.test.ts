import { chmodSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import t from 'tap'
import { IdentityError, loadIdentities, type IdentityConfig } from '../../tls/index.js'
import { Certificates, type KeyKind } from './certificates.js'

const certificates = new Certificates()
t.teardown(() => certificates.remove())
const now = Date.now() / 1000
const day = 86_400
const root = certificates.issue({ names: ['Root'], ca: true })
const middle = certificates.issue({ names: ['Middle'], ca: true, by: root, kind: 'rsa' })
const good = certificates.issue({ names: ['good.test', '*.good.test'], by: root })
const other = certificates.issue({ names: ['other.test'], by: root })

const load = (config: IdentityConfig, at = now) => loadIdentities({ default: config }, at)

function refused(config: IdentityConfig, at = now): IdentityError | null {
  try {
    load(config, at)
    return null
  } catch (error) {
    if (error instanceof IdentityError) return error
    throw error
  }
}

t.test('every kind of key', async (t) => {
  const kinds: KeyKind[] = ['rsa', 'p256', 'p384', 'p521', 'ed25519']
  for (const kind of kinds) {
    for (const by of [undefined, root, middle]) {
      const issued = certificates.issue({ names: ['kind.test'], kind, ...(by === undefined ? {} : { by }) })
      const { identities, warnings } = loadIdentities({ default: good, hosts: { 'kind.test': issued } }, now)
      t.equal(identities.choose('kind.test').certificates[0]?.subject, 'CN=kind.test', kind)
      t.same(warnings, [])
    }
  }
  const cases: [KeyKind, RegExp][] = [
    ['rsa1024', /1024 bits is too short/],
    ['secp256k1', /curve secp256k1/],
    ['dsa', /kind dsa/],
  ]
  for (const [kind, reason] of cases) {
    const issued = certificates.issue({ names: ['kind.test'], kind })
    const error = refused(issued)
    t.match(error?.reason, reason, kind)
    t.equal(error?.file, issued.key)
  }
})

t.test('keys in every form', async (t) => {
  const rsa = certificates.issue({ names: ['rsa.test'], kind: 'rsa' })
  const traditional = certificates.path('traditional.key')
  certificates.openssl('rsa', '-in', rsa.key, '-traditional', '-out', traditional)
  t.equal(refused({ cert: rsa.cert, key: traditional }), null, 'PKCS#1')
  const locked = certificates.path('locked.key')
  certificates.openssl('rsa', '-in', rsa.key, '-traditional', '-aes128', '-passout', 'pass:secret', '-out', locked)
  t.equal(refused({ cert: rsa.cert, key: locked, passphrase: 'secret' }), null, 'PKCS#1, encrypted')
  t.match(refused({ cert: rsa.cert, key: locked }), { file: locked, reason: /encrypted and no passphrase/ })
  const sec1 = certificates.path('sec1.key')
  certificates.openssl('ec', '-in', good.key, '-out', sec1)
  t.equal(refused({ cert: good.cert, key: sec1 }), null, 'SEC 1')
  for (const issued of [rsa, good, certificates.issue({ names: ['ed.test'], kind: 'ed25519' })]) {
    const key = certificates.encrypted(issued.key, 'a secret')
    t.equal(refused({ cert: issued.cert, key, passphrase: 'a secret' }), null, 'PKCS#8, encrypted')
    t.match(refused({ cert: issued.cert, key }), { file: key, reason: /^the key is encrypted and no pass/ })
    t.match(refused({ cert: issued.cert, key, passphrase: 'wrong' }), { file: key, reason: /passphrase is wrong/ })
    t.match(refused({ cert: issued.cert, key, passphrase: '' }), { file: key, reason: /passphrase is wrong/ })
  }
  t.equal(refused({ ...good, passphrase: 'not needed' }), null)
  for (const parts of [[good.key, good.cert], [good.cert, good.key], [good.cert, root.cert, good.key]]) {
    const both = certificates.joined('both.pem', ...parts)
    t.equal(refused({ cert: both, key: both }), null, 'key and certificate in one file')
  }
  const crlf = readFileSync(good.cert, 'latin1').replaceAll('\n', '\r\n')
  const commented = certificates.write('commented.pem', `A certificate\r\n${crlf}`)
  t.equal(refused({ cert: commented, key: good.key }), null, 'text around, and CRLF')
})

t.test('files that are no good', async (t) => {
  const folder = certificates.path('folder')
  mkdirSync(folder)
  const circle = certificates.path('circle')
  symlinkSync(circle, circle)
  const garbage = certificates.write('garbage', 'this is not a certificate at all')
  const empty = certificates.write('empty', '')
  const text = readFileSync(good.cert, 'latin1')
  const cut = certificates.write('cut.pem', text.slice(0, 300))
  const bent = certificates.write('bent.pem', text.replace(/^[A-Za-z]{4}/m, '????'))
  const bentText = readFileSync(good.key, 'latin1').replace(/(\n.{20}).{20}/, `$1${'A'.repeat(20)}`)
  const bentKey = certificates.write('bent.key', bentText)
  const der = certificates.path('der')
  certificates.openssl('x509', '-in', good.cert, '-outform', 'DER', '-out', der)
  const large = certificates.write('large', Buffer.alloc(2 << 20))
  const missing = certificates.path('missing.pem')
  const second = certificates.joined('second.pem', good.cert, bent)
  const cases: [IdentityConfig, string, RegExp][] = [
    [{ cert: missing, key: good.key }, missing, /there is no such file/],
    [{ cert: good.cert, key: missing }, missing, /there is no such file/],
    [{ pfx: missing }, missing, /there is no such file/],
    [{ ...good, ca: missing, client_certificate: 'request' }, missing, /there is no such file/],
    [{ cert: `${good.cert}/x`, key: good.key }, `${good.cert}/x`, /there is no such file/],
    [{ cert: folder, key: good.key }, folder, /it is a directory/],
    [{ cert: circle, key: good.key }, circle, /circle/],
    [{ cert: '/dev/zero', key: good.key }, '/dev/zero', /no regular file/],
    [{ cert: large, key: good.key }, large, /too large/],
    [{ cert: garbage, key: good.key }, garbage, /no certificate in PEM form$/],
    [{ cert: empty, key: good.key }, empty, /no certificate in PEM form$/],
    [{ cert: cut, key: good.key }, cut, /no certificate in PEM form/],
    [{ cert: bent, key: good.key }, bent, /its certificate cannot be read/],
    [{ cert: second, key: good.key }, second, /certificate 2 of 2 in it cannot be read/],
    [{ cert: der, key: good.key }, der, /DER form/],
    [{ cert: good.key, key: good.key }, good.key, /no certificate in PEM form, but a PRIVATE KEY/],
    [{ cert: good.cert, key: good.cert }, good.cert, /no private key in PEM form, but a CERTIFICATE/],
    [{ cert: good.cert, key: garbage }, garbage, /no private key/],
    [{ cert: good.cert, key: bentKey }, bentKey, /damaged|does not belong/],
    [{ cert: good.cert, key: other.key }, other.key, /the key does not belong to the certificate in .*\.crt/],
    [{ ...good, ca: garbage, client_certificate: 'require' }, garbage, /no certificate/],
  ]
  for (const [config, file, reason] of cases) {
    const error = refused(config)
    t.match(error, { code: 'LEVERET_IDENTITY', host: 'default', file, reason }, `${reason}`)
    t.equal(error?.message, `the default identity: ${file}: ${error?.reason}`)
  }
  for (const [config, reason] of [
    [{}, /cert is missing/],
    [{ key: good.key }, /cert is missing/],
    [{ cert: good.cert }, /key is missing/],
    [{ ...good, pfx: 'x' }, /give either/],
    [{ ...good, client_certificate: 'require' }, /needs ca/],
  ] as const) t.match(refused(config), { file: null, reason }, `${reason}`)
})

t.test('a file that may not be read', { skip: process.getuid?.() === 0 ? 'root may read all' : false }, async (t) => {
  const secret = certificates.joined('secret.key', good.key)
  chmodSync(secret, 0)
  t.match(refused({ cert: good.cert, key: secret }), { file: secret, reason: /permission/ })
})

t.test('dates', async (t) => {
  const expired = certificates.issue({ names: ['old.test'], from: -30, to: -1 })
  const future = certificates.issue({ names: ['new.test'], from: 1, to: 30 })
  t.match(refused(expired), { file: expired.cert, reason: /^the certificate has expired \(valid until .* GMT\)$/ })
  t.match(refused(future), { file: future.cert, reason: /^the certificate is not valid yet \(valid from .* GMT\)$/ })
  t.equal(refused(expired, now - 2 * day), null)
  t.equal(refused(future, now + 2 * day), null)
  for (const config of [expired, future]) {
    t.doesNotThrow(() => loadIdentities({ default: config, hosts: { 'a.test': config }, allow_expired: true }, now))
  }
  const tired = certificates.issue({ names: ['Tired'], ca: true, by: root, from: -30, to: -1 })
  const under = certificates.issue({ names: ['under.test'], by: tired })
  const { warnings } = load({ cert: certificates.joined('tired.pem', under.cert, tired.cert), key: under.key })
  t.match(warnings, [/tired\.pem: certificate 2 of the chain has expired/])
})

t.test('chains', async (t) => {
  const leaf = certificates.issue({ names: ['leaf.test'], by: middle })
  const chained = (...parts: string[]) => load({ cert: certificates.joined('chain.pem', ...parts), key: leaf.key })
  t.same(chained(leaf.cert).warnings, [], 'a private authority may be trusted directly')
  t.same(chained(leaf.cert, middle.cert).warnings, [])
  t.same(chained(leaf.cert, middle.cert, root.cert).warnings, [])
  t.match(chained(middle.cert, leaf.cert).warnings, [/chain\.pem: its certificates are not in order/])
  t.match(chained(leaf.cert, root.cert, middle.cert).warnings, [/not in order/])
  t.equal(chained(root.cert, middle.cert, leaf.cert).identities.default.certificates[0]?.subject, 'CN=leaf.test')
  t.match(chained(leaf.cert, middle.cert, other.cert).warnings, [/1 of its certificates is no part of the chain/])
  t.match(chained(other.cert, good.cert, leaf.cert).warnings, [/2 of its certificates are no part/])
  const extra = ['authorityInfoAccess=caIssuers;URI:http://ca.test/middle.crt']
  const published = certificates.issue({ names: ['public.test'], by: middle, extra })
  t.match(load(published).warnings, [/certificate of its issuer is not in the file/])
  t.same(load({ cert: certificates.joined('full.pem', published.cert, middle.cert), key: published.key }).warnings, [])
})

t.test('PKCS#12', async (t) => {
  const kinds: KeyKind[] = ['rsa', 'p256', 'p384', 'ed25519']
  for (const kind of kinds) {
    const issued = certificates.issue({ names: ['packed.test'], kind, by: middle })
    for (const [form, args] of [
      ['modern', []],
      ['RC2 and 3DES', ['-legacy', '-certpbe', 'PBE-SHA1-RC2-40', '-keypbe', 'PBE-SHA1-3DES', '-macalg', 'SHA1']],
      ['3DES', ['-certpbe', 'PBE-SHA1-3DES', '-keypbe', 'PBE-SHA1-3DES', '-macalg', 'SHA1']],
      ['with SHA-512', ['-macalg', 'SHA512', '-certpbe', 'AES-128-CBC', '-keypbe', 'AES-256-CBC']],
      ['not encrypted', ['-certpbe', 'NONE', '-keypbe', 'NONE']],
      ['with its chain', ['-certfile', middle.cert]],
      ['with a name', ['-name', 'friendly']],
    ] as const) {
      const pfx = certificates.pfx(issued, 'a secret', ...args)
      const { identities, warnings } = load({ pfx, passphrase: 'a secret' })
      t.equal(identities.default.certificates[0]?.subject, 'CN=packed.test', `${kind}, ${form}`)
      t.same(warnings, [])
      t.match(refused({ pfx, passphrase: 'wrong' }), { file: pfx, reason: /passphrase is wrong/ })
      t.match(refused({ pfx }), { file: pfx, reason: /no passphrase was given/ })
    }
  }
  const open = certificates.pfx(good, '')
  t.equal(refused({ pfx: open }), null, 'with an empty passphrase')
  t.equal(refused({ pfx: open, passphrase: '' }), null)
  const umlaut = certificates.pfx(good, 'gr\u00fc\u00df \u20ac', '-certpbe', 'AES-256-CBC')
  t.equal(refused({ pfx: umlaut, passphrase: 'gr\u00fc\u00df \u20ac' }), null, 'a passphrase beyond ASCII')
  const old = certificates.issue({ names: ['old.test'], from: -30, to: -1 })
  t.match(refused({ pfx: certificates.pfx(old, 'x'), passphrase: 'x' }), { reason: /has expired/ })
  const garbage = certificates.write('garbage.p12', 'this is not PKCS#12')
  t.match(refused({ pfx: garbage, passphrase: 'x' }), { file: garbage, reason: /no PKCS#12 file, or damaged/ })
  t.match(refused({ pfx: good.cert, passphrase: 'x' }), { reason: /no PKCS#12 file/ })
  const der = certificates.path('der.p12')
  certificates.openssl('x509', '-in', good.cert, '-outform', 'DER', '-out', der)
  t.match(refused({ pfx: der, passphrase: 'x' }), { reason: /no PKCS#12 file/ })
  const bare = certificates.path('bare.p12')
  certificates.openssl('pkcs12', '-export', '-nokeys', '-in', good.cert, '-passout', 'pass:x', '-out', bare)
  t.match(refused({ pfx: bare, passphrase: 'x' }), { reason: 'it holds no private key' })
  const lone = certificates.path('lone.p12')
  certificates.openssl('pkcs12', '-export', '-nocerts', '-inkey', good.key, '-passout', 'pass:x', '-out', lone)
  t.match(refused({ pfx: lone, passphrase: 'x' }), { reason: 'it holds no certificate' })
  const whole = readFileSync(open)
  for (let cut = 0; cut < whole.length; cut += 97) {
    const part = certificates.write('cut.p12', whole.subarray(0, cut))
    t.match(refused({ pfx: part }), { file: part, reason: /./ }, `cut at ${cut}`)
  }
})

t.test('hosts', async (t) => {
  const bad = (hosts: Record<string, IdentityConfig>) => {
    try {
      loadIdentities({ default: good, hosts }, now)
      return null
    } catch (error) {
      return error
    }
  }
  t.match(bad({ 'a.test:443': good }), {
    host: 'a.test:443', file: null, message: 'the identity of "a.test:443": a host name has no port',
  })
  t.match(bad({ '*': good }), { host: '*', reason: /default identity/ })
  t.match(bad({ 'a.test': good, 'A.test': good }), { host: 'A.test', reason: 'it is listed twice: both are a.test' })
  t.match(bad({ '*.a.test': good, '*.A.test.': good }), { reason: /listed twice/ })
  const missing = certificates.path('nowhere')
  t.match(bad({ 'a.test': { cert: missing, key: missing } }), {
    name: 'IdentityError', code: 'LEVERET_IDENTITY', host: 'a.test', file: missing, reason: 'there is no such file',
    message: `the identity of "a.test": ${missing}: there is no such file`,
  })
  const { identities, warnings } = loadIdentities({
    default: other,
    hosts: {
      'GOOD.test': good, 'www.good.test.': good, '*.good.test': good, 'a.b.good.test': good,
      '*.other.test': other, 'other.test': other,
    },
  }, now)
  t.match(warnings, [
    /^the identity of "a\.b\.good\.test": .*\.crt: the certificate does not cover a\.b\.good\.test \(it covers DNS:/,
    /does not cover \*\.other\.test/,
  ])
  t.equal(warnings.length, 2)
  t.equal(identities.choose('good.test').host, 'good.test')
  t.equal(identities.choose('x.good.test').host, '*.good.test')
  t.equal(identities.choose('unknown.test').certificates[0]?.subject, 'CN=other.test')
})

t.test('a common name does not cover a host', async (t) => {
  const nameless = certificates.issue({ names: ['named.test'], bare: true })
  const { warnings } = loadIdentities({ default: good, hosts: { 'named.test': nameless } }, now)
  t.match(warnings, [/does not cover named\.test: it names no host at all/])
})

t.test('client certificates', async (t) => {
  t.same(load({ ...good, client_certificate: 'request' }).warnings, [])
  t.same(load({ ...good, ca: root.cert, client_certificate: 'require' }).warnings, [])
  const strict = load({ ...good, ca: root.cert, client_certificate: 'require' })
  t.equal(strict.identities.default.clientCertificate, 'require')
  t.match(load({ ...good, ca: root.cert }).warnings, [/ca has no effect/])
  const odd = load({ ...good, ca: other.cert, client_certificate: 'request' })
  t.match(odd.warnings, [/CN=other\.test is no certificate authority/])
})

t.test('nothing secret is in a message', async (t) => {
  const key = certificates.encrypted(good.key, 'top secret')
  const error = refused({ cert: good.cert, key, passphrase: 'guess me' })
  t.notMatch(JSON.stringify([error?.message, error?.stack]), /guess me|top secret/)
})
