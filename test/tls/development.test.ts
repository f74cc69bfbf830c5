import { execFile, spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { wait } from '../../lev/index.js'
import { developmentIdentities, loadIdentities } from '../../tls/index.js'
import { Certificates } from './certificates.js'
import { serving } from './serving.js'

const certificates = new Certificates()
t.teardown(() => certificates.remove())
const now = Date.now() / 1000
const day = 86_400
const names = ['localhost', 'one.test', '*.two.test']
const contents = (folder: string): Map<string, string> =>
  new Map(readdirSync(folder).sort().map((name) => [name, readFileSync(join(folder, name), 'latin1')]))

t.test('made once, and used again', async (t) => {
  const folder = certificates.path('made/here')
  const first = developmentIdentities(folder, names, now)
  t.equal(first.made, true)
  t.equal(first.ca, join(folder, 'ca.pem'))
  t.same(Object.keys(first.ssl.hosts ?? {}), names)
  t.same(readdirSync(folder).sort(), ['ca-key.pem', 'ca.pem', 'localhost.pem', 'one.test.pem', 'wildcard.two.test.pem'])
  t.equal(statSync(folder).mode & 0o777, 0o700)
  for (const [name, text] of contents(folder)) {
    const secret = text.includes('PRIVATE KEY')
    t.equal(secret, name !== 'ca.pem')
    t.equal(statSync(join(folder, name)).mode & 0o777, secret ? 0o600 : 0o644, name)
  }
  const before = contents(folder)
  const second = developmentIdentities(folder, names, now + day)
  t.equal(second.made, false)
  t.same(second.ssl, first.ssl)
  t.same(contents(folder), before)
  t.same(loadIdentities(first.ssl, now).warnings, [])
})

t.test('what browsers ask of certificates', async (t) => {
  const folder = certificates.path('browser')
  const { ca } = developmentIdentities(folder, names, now)
  const authority = new X509Certificate(readFileSync(ca))
  const text = (name: string): string =>
    certificates.openssl('x509', '-noout', '-text', '-in', join(folder, name)).toString()
  t.ok(authority.ca && authority.checkIssued(authority) && authority.verify(authority.publicKey))
  t.match(text('ca.pem'), /Basic Constraints: critical\s+CA:TRUE, pathlen:0/)
  t.match(text('ca.pem'), /Key Usage: critical\s+Certificate Sign, CRL Sign/)
  const keyId = /Subject Key Identifier: \s+(\S+)/.exec(text('ca.pem'))?.[1] ?? 'none'
  for (const [file, alt, covered] of [
    ['localhost.pem', 'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1', 'localhost'],
    ['one.test.pem', 'DNS:one.test', 'one.test'],
    ['wildcard.two.test.pem', 'DNS:*.two.test', 'a.two.test'],
  ] as const) {
    const certificate = new X509Certificate(readFileSync(join(folder, file)))
    t.equal(certificate.subjectAltName, alt)
    t.ok(certificate.checkHost(covered))
    t.ok(certificate.checkIssued(authority) && certificate.verify(authority.publicKey) && !certificate.ca)
    const days = (Date.parse(certificate.validTo) - Date.parse(certificate.validFrom)) / day / 1000
    t.ok(days > 300 && days <= 397, `${days} days`)
    t.match(text(file), /Extended Key Usage: \s+TLS Web Server Authentication\n/)
    t.match(text(file), /Key Usage: critical\s+Digital Signature, Key Encipherment\n/)
    t.match(text(file), /Subject Key Identifier: \s+[0-9A-F:]{59}\n/)
    t.match(text(file), new RegExp(`Authority Key Identifier: \\s+(keyid:)?${keyId}`))
    t.match(text(file), /Signature Algorithm: sha256WithRSAEncryption/)
    t.match(text(file), /Public-Key: \(2048 bit\)/)
    certificates.openssl('verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', ca, join(folder, file))
  }
  const serials = readdirSync(folder).map((name) => new X509Certificate(readFileSync(join(folder, name))).serialNumber)
  t.equal(new Set(serials).size, 4, 'one serial number each; ca.pem is in ca-key.pem, too')
})

t.test('curl trusts them', async (t) => {
  const { ca, ssl } = developmentIdentities(certificates.path('curl'), names, now)
  await serving(loadIdentities(ssl, now).identities, function* (port) {
    for (const [host, served] of [
      ['localhost', 'localhost localhost'],
      ['127.0.0.1', 'default null'],
      ['one.test', 'one.test one.test'],
      ['a.two.test', '*.two.test a.two.test'],
    ] as const) {
      const resolve = ['--resolve', `${host}:${port}:127.0.0.1`, '--noproxy', '*']
      const args = ['-sS', '--http0.9', '--cacert', ca, ...resolve, `https://${host}:${port}/`]
      const { stdout } = yield* wait(promisify(execFile)('curl', args))
      t.equal(stdout, `${served}\n`)
    }
  })
})

t.test('only what is missing, damaged or out of date is made again', async (t) => {
  const folder = certificates.path('again')
  const make = (at = now) => {
    const before = existsSync(folder) ? contents(folder) : new Map<string, string>()
    const { made } = developmentIdentities(folder, ['localhost', 'one.test'], at)
    const changed = [...contents(folder)].filter(([name, text]) => before.get(name) !== text).map(([name]) => name)
    t.equal(made, changed.some((name) => name !== 'ca.pem'))
    return changed
  }
  const leaves = ['localhost.pem', 'one.test.pem']
  t.same(make(), ['ca-key.pem', 'ca.pem', ...leaves])
  t.same(make(), [])
  rmSync(join(folder, 'one.test.pem'))
  t.same(make(), ['one.test.pem'])
  const cut = readFileSync(join(folder, 'localhost.pem'), 'latin1').slice(0, 2000)
  for (const damage of ['', 'garbage', cut, readFileSync(join(folder, 'ca.pem'), 'latin1')]) {
    writeFileSync(join(folder, 'one.test.pem'), damage)
    t.same(make(), ['one.test.pem'])
  }
  writeFileSync(join(folder, 'one.test.pem'), readFileSync(join(folder, 'localhost.pem')))
  t.same(make(), ['one.test.pem'], 'another name')
  writeFileSync(join(folder, 'ca.pem'), '')
  t.same(make(), ['ca.pem'])
  chmodSync(join(folder, 'localhost.pem'), 0o644)
  t.same(make(), [])
  t.equal(statSync(join(folder, 'localhost.pem')).mode & 0o777, 0o600)
  t.same(make(now + 300 * day), [])
  t.same(make(now + 350 * day), leaves, 'soon out of date: the authority stays')
  t.same(make(now), leaves, 'from the future')
  t.same(make(now + 4000 * day), ['ca-key.pem', 'ca.pem', ...leaves])
  rmSync(join(folder, 'ca-key.pem'))
  t.same(make(now + 4000 * day), ['ca-key.pem', 'ca.pem', ...leaves], 'another authority')
})

t.test('first starts at the same time, and killed ones, leave what fits together', async (t) => {
  const folder = certificates.path('crowd')
  const program = `
    import { developmentIdentities } from ${JSON.stringify(new URL('../../tls/index.js', import.meta.url).href)}
    developmentIdentities(${JSON.stringify(folder)}, ${JSON.stringify(names)}, Date.now() / 1000)`
  const args = ['--input-type=module', '-e', program]
  for (const timeout of [250, 300, 400, 500]) spawnSync(process.execPath, args, { timeout, killSignal: 'SIGKILL' })
  const run = promisify(execFile)
  await Promise.all([1, 2, 3].map(() => run(process.execPath, args)))
  const authority = new X509Certificate(readFileSync(join(folder, 'ca.pem')))
  const { ssl, made } = developmentIdentities(folder, names, now)
  t.equal(made, false)
  for (const { certificates: [certificate], host } of loadIdentities(ssl, now).identities) {
    t.ok(certificate?.verify(authority.publicKey), host)
  }
})

t.test('names and folders that do not do', async (t) => {
  const folder = certificates.path('never')
  t.throws(() => developmentIdentities(folder, [], now), /at least one name/)
  t.throws(() => developmentIdentities(folder, ['../x'], now), /no development identity for "\.\.\/x": not a host name/)
  t.throws(() => developmentIdentities(folder, ['127.0.0.1'], now), /default identity/)
  t.notOk(existsSync(folder))
  const file = certificates.write('file', '')
  t.throws(() => developmentIdentities(file, names, now), { code: 'EEXIST' })
  mkdirSync(folder)
  mkdirSync(join(folder, 'ca-key.pem'))
  t.throws(() => developmentIdentities(folder, names, now), { code: 'EISDIR' })
})
