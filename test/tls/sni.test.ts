import { createSecureContext } from 'node:tls'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { Identities, type Identity } from '../../tls/sni.js'
import { Certificates } from './certificates.js'

const certificates = new Certificates()
t.teardown(() => certificates.remove())
const certificate = new X509Certificate(readFileSync(certificates.issue({ names: ['any.test'] }).cert))
const context = createSecureContext()
const identity = (host: string, clientCertificate: Identity['clientCertificate'] = 'none'): Identity =>
  ({ host, context, certificates: [certificate], clientCertificate })

const hosts = ['example.com', '*.example.com', 'deep.sub.example.com', '*.sub.example.com', '*.test', 'localhost']
const identities = new Identities(identity('default'), hosts.map((host) => identity(host)))

t.test('names and who serves them', async (t) => {
  for (const [name, host] of [
    [null, 'default'],
    ['', 'default'],
    ['example.com', 'example.com'],
    ['EXAMPLE.com', 'example.com'],
    ['example.com.', 'example.com'],
    ['Example.Com.', 'example.com'],
    ['example.com..', 'default'],
    ['www.example.com', '*.example.com'],
    ['WWW.Example.COM.', '*.example.com'],
    ['a.b.example.com', 'default'],
    ['.example.com', 'default'],
    ['*.example.com', 'default'],
    ['sub.example.com', '*.example.com'],
    ['x.sub.example.com', '*.sub.example.com'],
    ['deep.sub.example.com', 'deep.sub.example.com'],
    ['x.deep.sub.example.com', 'default'],
    ['notexample.com', 'default'],
    ['example.com.evil.org', 'default'],
    ['one.test', '*.test'],
    ['test', 'default'],
    ['localhost', 'localhost'],
    ['sub.localhost', 'default'],
    ['127.0.0.1', 'default'],
    ['::1', 'default'],
    ['__proto__', 'default'],
    ['constructor', 'default'],
    ['default', 'default'],
    ['other.org', 'default'],
  ] as const) t.equal(identities.choose(name).host, host, String(name))
})

t.test('any text gets an identity, and upper case or a trailing dot never another one', async () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.domain(), fc.constantFrom(...hosts)), (name) => {
    const { host } = identities.choose(name)
    if (/^[\x00-\x7f]*$/.test(name) && identities.choose(name.toUpperCase()).host !== host) return false
    return name === '' || name.endsWith('.') || name.length > 252 || identities.choose(`${name}.`).host === host
  }), { seed: 1, numRuns: 2000 })
})

t.test('a host that wants client certificates is not served on a connection of another', async (t) => {
  const listed = [identity('open.test'), identity('asks.test', 'request'), identity('*.closed.test', 'require')]
  const mixed = new Identities(identity('default'), listed)
  for (const [listed, host, may] of [
    ['default', 'open.test', false],
    ['open.test', 'unknown.test', true],
    ['asks.test', 'open.test', false],
    ['asks.test', 'asks.test', true],
    ['open.test', 'asks.test', false],
    ['default', 'a.closed.test', false],
    ['default', 'A.Closed.Test.', false],
    ['*.closed.test', 'a.closed.test', true],
    ['*.closed.test', 'b.closed.test', true],
    ['*.closed.test', 'asks.test', false],
  ] as const) t.equal(mixed.mayServe(mixed.choose(listed.replace('*', 'any')), host), may, `${host} over ${listed}`)
})

t.test('a listed host is served on a connection of another if the certificate that was shown covers it', (t) => {
  const pair = new X509Certificate(readFileSync(certificates.issue({ names: ['a.test', '*.wide.test'] }).cert))
  const mixed = new Identities(identity('default'), [
    { ...identity('a.test'), certificates: [pair] }, identity('b.wide.test'), identity('c.test'), identity('any.test'),
  ])
  for (const [listed, host, may] of [
    ['a.test', 'b.wide.test', true],
    ['a.test', 'B.Wide.Test.', true],
    ['a.test', 'c.test', false],
    ['a.test', 'unknown.test', true],
    ['b.wide.test', 'a.test', false],
    ['b.wide.test', 'any.test', true],
    ['default', 'any.test', true],
    ['default', 'c.test', false],
    ['default', '127.0.0.1', true],
  ] as const) t.equal(mixed.mayServe(mixed.choose(listed), host), may, `${host} over ${listed}`)

  const both = { ...identity('a.test'), certificates: [pair, certificate] }
  t.equal(mixed.mayServe(both, 'b.wide.test'), false, 'of two, it may have been the one that does not cover it')
  const former = { ...identity('a.test'), certificates: [pair] }
  const gone = { ...identity('gone.test'), certificates: [pair] }
  const later = new Identities(identity('default'), [identity('a.test'), identity('b.wide.test'), identity('c.test')])
  t.equal(later.mayServe(former, 'b.wide.test'), true, 'the certificate that was shown counts, not its successor')
  t.equal(later.mayServe(gone, 'b.wide.test'), true, 'also when its host is listed no more')
  t.equal(later.mayServe(gone, 'gone.test'), true)
  t.equal(later.mayServe(gone, 'c.test'), false)
  t.end()
})

t.test('all identities can be listed', async (t) => {
  t.same([...identities].map(({ host }) => host), ['default', ...hosts])
})
