import t from 'tap'
import { HeadReader } from '../../../lib/http1/head.js'
import type { RequestHead } from '../../../lib/http1/request-head.js'
import { Peer } from '../../../lib/server/peer.js'

function headOf(target: string, ...lines: string[]): RequestHead {
  const reader = new HeadReader({ lineLimit: 1000, countLimit: 100, sizeLimit: 10000 })
  const bytes = Buffer.from([`GET ${target} HTTP/1.1`, 'Host: sent.test', ...lines, '', ''].join('\r\n'))
  t.equal(reader.read(bytes, 0, bytes.length), bytes.length)
  return reader.head
}

t.test('the headers that tell a handler who its client is', async (t) => {
  const peer = new Peer('192.0.2.1', 50000)
  t.equal(peer.tls, null)
  const cases: [target: string, lines: string[], added: Record<string, string>][] = [
    ['/', [], { 'host': 'sent.test', 'x-client-ip': '192.0.2.1', 'x-real-ip': '192.0.2.1' }],
    ['/', ['X-Real-IP: 198.51.100.7'], { 'host': 'sent.test', 'x-client-ip': '192.0.2.1', 'x-real-ip': '192.0.2.1' }],
    ['/', ['X-Client-IP: 198.51.100.7'], { 'host': 'sent.test', 'x-client-ip': '192.0.2.1', 'x-real-ip': '192.0.2.1' }],
    ['http://asked.test/', [], { 'host': 'asked.test', 'x-client-ip': '192.0.2.1', 'x-real-ip': '192.0.2.1' }],
    ['http://asked.test/', ['X-Real-IP: ::1'], { 'host': 'asked.test', 'x-client-ip': '192.0.2.1', 'x-real-ip': '192.0.2.1' }],
  ]
  // Twice: what a handler changes in its headers is not there for the next request.
  for (let round = 0; round < 2; round++) {
    for (const [target, lines, added] of cases) {
      const headers = peer.headersOf(headOf(target, ...lines))
      t.strictSame({ ...headers }, added, `${target} ${lines.join()}`)
      headers['x-client-ip'] = 'changed'
      headers['host'] = 'changed'
    }
  }
})

t.test('a request that a trusted proxy has passed on', async (t) => {
  const trust = { trusted_proxies: ['192.0.2.1'], forwarded: 'x-forwarded' } as const
  const peer = new Peer('192.0.2.1', 50000)
  const head = headOf('/', 'X-Forwarded-For: 198.51.100.7:1234', 'X-Forwarded-Host: outside.test', 'X-Forwarded-Proto: https')
  const sender = peer.sender(head, trust)
  t.match(sender, { ip: '198.51.100.7', port: 1234, scheme: 'https', connection: peer.connection, tls: null, socket: { ip: '192.0.2.1', port: 50000 } })
  t.equal(sender.hostOf(head), 'outside.test')
  t.match(peer, { ip: '192.0.2.1', port: 50000, scheme: 'http' }, 'the connection is still the proxy’s')
  const told = headOf('/', 'X-Real-IP: 198.51.100.9')
  t.match({ ...peer.sender(told, trust).headersOf(told) }, { 'x-client-ip': '192.0.2.1', 'x-real-ip': '198.51.100.9' })
  t.equal(new Peer('192.0.2.2', 1).sender(head, trust).ip, '192.0.2.2')
})
