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
const identity = (host: string): Identity =>
  ({ host, context, contextAt: () => context, certificates: [certificate], clientCertificate: 'none', clientAuthorities: new Set() })

const hosts = ['example.com', '*.example.com', 'deep.sub.example.com', '*.sub.example.com', '*.test', 'localhost']
const identities = new Identities(identity('default'), hosts.map(identity))

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

t.test('all identities can be listed', async (t) => {
  t.same([...identities].map(({ host }) => host), ['default', ...hosts])
})
