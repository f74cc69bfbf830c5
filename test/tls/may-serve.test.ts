import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import t from 'tap'
import type { Handshake } from '../../tls/handshake.js'
import { mayServe } from '../../tls/may-serve.js'
import { Identities, type Identity } from '../../tls/sni.js'
import { Certificates } from './certificates.js'

const certificates = new Certificates()
t.teardown(() => certificates.remove())
const certificate = new X509Certificate(readFileSync(certificates.issue({ names: ['any.test'] }).cert))
const context = createSecureContext()

type Rule = Identity['clientCertificate']

function identity(host: string, clientCertificate: Rule = 'none', authorities = ''): Identity {
  return { host, context, contextAt: () => context, certificates: [certificate], clientCertificate, clientAuthorities: new Set(authorities) }
}

/** What a client has shown of itself. */
type Shown = 'nothing' | 'trusted' | 'untrusted'

/** A handshake for a server name, as it comes out. */
function handshake(identities: Identities, serverName: string | null, shown: Shown = 'nothing'): Handshake {
  const chosen = identities.choose(serverName)
  const authorized = shown === 'trusted'
  const client = { authorized, reason: null, subject: '', issuer: '', serial_number: '', fingerprint: '', certificate }
  const facts = {
    protocol: 'TLSv1.3', cipher: '', alpn: null, server_name: serverName, identity: chosen.host, resumed: false,
    client_certificate: shown === 'nothing' ? null : client,
  }
  return { facts, identity: chosen }
}

t.test('a host that wants client certificates is not served on a connection of another', async (t) => {
  const listed = [identity('open.test'), identity('asks.test', 'request'), identity('*.closed.test', 'require')]
  const mixed = new Identities(identity('default'), listed)
  for (const [name, shown, host, may] of [
    [null, 'nothing', 'open.test', false],
    ['open.test', 'nothing', 'unknown.test', true],
    ['asks.test', 'trusted', 'open.test', false],
    ['asks.test', 'nothing', 'asks.test', true],
    ['open.test', 'nothing', 'asks.test', false],
    [null, 'nothing', 'a.closed.test', false],
    [null, 'nothing', 'A.Closed.Test.', false],
    ['a.closed.test', 'trusted', 'a.closed.test', true],
    ['a.closed.test', 'trusted', 'b.closed.test', true],
    ['a.closed.test', 'trusted', 'asks.test', false],
    ['asks.test', 'trusted', 'a.closed.test', false],
  ] as const) t.equal(mayServe(mixed, handshake(mixed, name, shown), host), may, `${host} over ${String(name)}`)
})

t.test('a listed host is served on a connection of another if the certificate that was shown covers it', async (t) => {
  const pair = new X509Certificate(readFileSync(certificates.issue({ names: ['a.test', '*.wide.test'] }).cert))
  const mixed = new Identities(identity('default'), [
    { ...identity('a.test'), certificates: [pair] }, identity('b.wide.test'), identity('c.test'), identity('any.test'),
  ])
  for (const [name, host, may] of [
    ['a.test', 'b.wide.test', true],
    ['a.test', 'B.Wide.Test.', true],
    ['a.test', 'c.test', false],
    ['a.test', 'unknown.test', true],
    ['b.wide.test', 'a.test', false],
    ['b.wide.test', 'any.test', true],
    [null, 'any.test', true],
    [null, 'c.test', false],
    [null, '127.0.0.1', true],
  ] as const) t.equal(mayServe(mixed, handshake(mixed, name), host), may, `${host} over ${String(name)}`)

  const both = new Identities({ ...identity('a.test'), certificates: [pair, certificate] })
  t.equal(mayServe(mixed, handshake(both, 'a.test'), 'b.wide.test'), false, 'of two, it may have been the one that does not cover it')
  const former = new Identities({ ...identity('default'), certificates: [pair] })
  const later = new Identities(identity('default'), [identity('a.test'), identity('b.wide.test'), identity('c.test')])
  t.equal(mayServe(later, handshake(former, 'a.test'), 'b.wide.test'), true, 'the certificate that was shown counts, not its successor')
  t.equal(mayServe(later, handshake(former, 'gone.test'), 'b.wide.test'), true, 'also when its host is listed no more')
  t.equal(mayServe(later, handshake(former, 'gone.test'), 'gone.test'), true)
  t.equal(mayServe(later, handshake(former, 'gone.test'), 'c.test'), false)
  t.equal(mayServe(later, handshake(former, 'c.test'), 'c.test'), true, 'it asked for this host')
})

t.test('rules for client certificates that have changed since the handshake', async (t) => {
  const rules = (rule: Rule, authorities: string): Identities =>
    new Identities(identity('default'), [identity('a.test', rule, authorities), identity('b.test')])
  for (const [before, beforeBy, shown, after, afterBy, may] of [
    ['none', '', 'nothing', 'none', 'A', true],
    ['none', '', 'nothing', 'request', 'A', false],
    ['none', 'A', 'nothing', 'require', 'A', false],
    ['request', 'A', 'nothing', 'request', 'A', true],
    ['request', 'A', 'untrusted', 'request', 'A', true],
    ['request', 'A', 'nothing', 'require', 'A', false],
    ['request', 'A', 'untrusted', 'require', 'A', false],
    ['request', 'A', 'trusted', 'require', 'A', true],
    ['require', 'A', 'trusted', 'require', 'A', true],
    ['require', 'A', 'trusted', 'require', 'AB', true],
    ['require', 'AB', 'trusted', 'require', 'A', false],
    ['require', 'A', 'trusted', 'require', 'B', false],
    ['require', 'A', 'trusted', 'request', 'A', true],
    ['require', 'A', 'trusted', 'request', 'B', false],
    ['request', 'A', 'trusted', 'request', 'B', false],
    ['request', 'A', 'nothing', 'none', '', true],
    ['require', 'A', 'trusted', 'none', 'A', true],
    ['require', 'A', 'trusted', 'none', '', false],
  ] as const) {
    const what = `${before} ${beforeBy}, ${shown}, then ${after} ${afterBy}`
    const made = handshake(rules(before, beforeBy), 'a.test', shown)
    t.equal(mayServe(rules(after, afterBy), made, 'a.test'), may, what)
    const lost = shown === 'trusted' && [...beforeBy].some((authority) => !afterBy.includes(authority))
    t.equal(mayServe(rules(after, afterBy), made, 'unknown.test'), !lost, `${what}, for a host of no rules`)
  }
  const wide = handshake(new Identities(identity('default'), [identity('*.test', 'require', 'A')]), 'a.test', 'trusted')
  t.equal(mayServe(rules('require', 'A'), wide, 'a.test'), true, 'the rules count, not what they are listed for')
  t.equal(mayServe(rules('require', 'B'), wide, 'a.test'), false)
})
