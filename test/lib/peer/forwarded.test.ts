import fc from 'fast-check'
import t from 'tap'
import { originOf } from '../../../lib/peer/forwarded.js'
import { Networks } from '../../../lib/peer/networks.js'

const trusted = new Networks(['10.0.0.0/8', 'loopback', 'unix'])

type Fields = Readonly<Record<string, string>>

function origin(family: 'x-forwarded' | 'forwarded', fields: Fields, from = '10.0.0.1'): string | null {
  const found = originOf({ get: (name) => fields[name] }, family, from, trusted)
  return found === null ? null : [found.ip, found.port, found.scheme, found.host].join(' ').trim()
}

t.test('X-Forwarded-*: the first that is not trusted, from the right', async (t) => {
  const table: [fields: Fields, expected: string | null, from?: string][] = [
    [{ 'x-forwarded-for': '198.51.100.7' }, '198.51.100.7 0'],
    [{ 'x-forwarded-for': '198.51.100.7' }, null, '192.0.2.9'],
    [{ 'x-forwarded-for': '198.51.100.7' }, '198.51.100.7 0', ''],
    [{ 'x-forwarded-for': '198.51.100.7' }, '198.51.100.7 0', '::ffff:10.0.0.1'],
    // What the client itself has sent comes first.
    [{ 'x-forwarded-for': '10.9.9.9, 198.51.100.7' }, '198.51.100.7 0'],
    [{ 'x-forwarded-for': '203.0.113.1, 198.51.100.7, 10.0.0.2' }, '198.51.100.7 0'],
    [{ 'x-forwarded-for': '127.0.0.1, 10.0.0.2' }, '127.0.0.1 0'],
    [{ 'x-forwarded-for': 'garbage, 10.0.0.2' }, '10.0.0.2 0'],
    [{ 'x-forwarded-for': '198.51.100.7, garbage' }, '10.0.0.1 0'],
    [{ 'x-forwarded-for': '198.51.100.7, unknown' }, '10.0.0.1 0'],
    [{ 'x-forwarded-for': ' , ,198.51.100.7,' }, '198.51.100.7 0'],
    [{}, '10.0.0.1 0'],
    // Forms of an address.
    [{ 'x-forwarded-for': '198.51.100.7:1234' }, '198.51.100.7 1234'],
    [{ 'x-forwarded-for': '2001:DB8::7' }, '2001:db8::7 0'],
    [{ 'x-forwarded-for': '[2001:db8::7]' }, '2001:db8::7 0'],
    [{ 'x-forwarded-for': '[2001:db8::7]:443' }, '2001:db8::7 443'],
    [{ 'x-forwarded-for': '::ffff:198.51.100.7' }, '198.51.100.7 0'],
    [{ 'x-forwarded-for': 'fe80::1%eth0' }, 'fe80::1 0'],
    [{ 'x-forwarded-for': '[198.51.100.7]' }, '10.0.0.1 0'],
    [{ 'x-forwarded-for': '198.51.100.7:99999' }, '10.0.0.1 0'],
    [{ 'x-forwarded-for': '198.51.100.007' }, '10.0.0.1 0'],
    [{ 'x-forwarded-for': '198.51.100.7 203.0.113.1' }, '10.0.0.1 0'],
    [{ 'x-forwarded-for': '"198.51.100.7"' }, '10.0.0.1 0'],
    [{ 'x-forwarded-for': 'example.com' }, '10.0.0.1 0'],
    // Scheme and host are those of the same hop.
    [{ 'x-forwarded-for': '198.51.100.7', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'a.test:8443' }, '198.51.100.7 0 https a.test:8443'],
    [{ 'x-forwarded-for': '198.51.100.7, 10.0.0.2', 'x-forwarded-proto': 'https, http' }, '198.51.100.7 0 https'],
    [{ 'x-forwarded-for': '203.0.113.1, 198.51.100.7', 'x-forwarded-proto': 'https, http' }, '198.51.100.7 0 http'],
    [{ 'x-forwarded-for': '198.51.100.7, 10.0.0.2', 'x-forwarded-proto': 'https' }, '198.51.100.7 0 https'],
    [{ 'x-forwarded-for': '198.51.100.7', 'x-forwarded-proto': 'http, https' }, '198.51.100.7 0 https'],
    [{ 'x-forwarded-for': 'garbage', 'x-forwarded-proto': 'https' }, '10.0.0.1 0'],
    [{ 'x-forwarded-proto': 'https', 'x-forwarded-host': 'a.test' }, '10.0.0.1 0 https a.test'],
    [{ 'x-forwarded-proto': 'HTTPS' }, '10.0.0.1 0 https'],
    [{ 'x-forwarded-proto': 'wss' }, '10.0.0.1 0 https'],
    [{ 'x-forwarded-proto': 'ws' }, '10.0.0.1 0 http'],
    [{ 'x-forwarded-proto': 'javascript' }, '10.0.0.1 0'],
    [{ 'x-forwarded-host': 'a.test/evil' }, '10.0.0.1 0'],
    [{ 'x-forwarded-host': 'user@a.test' }, '10.0.0.1 0'],
    [{ 'x-forwarded-host': '[::1]:80' }, '10.0.0.1 0  [::1]:80'],
    // The other family says nothing.
    [{ forwarded: 'for=198.51.100.7;proto=https' }, '10.0.0.1 0'],
    [{ 'x-real-ip': '198.51.100.7' }, '10.0.0.1 0'],
  ]
  for (const [fields, expected, from] of table) t.equal(origin('x-forwarded', fields, from), expected, JSON.stringify([fields, from]))
})

t.test('Forwarded: the same walk', async (t) => {
  const table: [value: string, expected: string | null, from?: string][] = [
    ['for=198.51.100.7', '198.51.100.7 0'],
    ['for=198.51.100.7', null, '192.0.2.9'],
    ['For="[2001:DB8::7]:4711"', '2001:db8::7 4711'],
    ['for="[2001:db8::7]"', '2001:db8::7 0'],
    ['for=198.51.100.7;proto=https;by=203.0.113.43;host=a.test', '198.51.100.7 0 https a.test'],
    ['for=198.51.100.7;proto=https;host="a.test:8443"', '198.51.100.7 0 https a.test:8443'],
    ['for=203.0.113.1;proto=https, for=198.51.100.7;proto=http', '198.51.100.7 0 http'],
    ['for=203.0.113.1, for=198.51.100.7;host=b.test, for=10.0.0.2;host=c.test', '198.51.100.7 0  b.test'],
    ['for=unknown;proto=https', '10.0.0.1 0 https'],
    ['for=_hidden;proto=https', '10.0.0.1 0 https'],
    ['for="_hidden:_port"', '10.0.0.1 0'],
    ['for=198.51.100.7, for=unknown', '10.0.0.1 0'],
    ['proto=https', '10.0.0.1 0 https'],
    ['for=198.51.100.7, proto=https', '10.0.0.1 0 https'],
    ['for="198.51.100.7, for=10.0.0.2"', '10.0.0.1 0'],
    ['for="a\\", for=198.51.100.7", for=203.0.113.1', '203.0.113.1 0'],
    ['for=198.51.100.7;for=203.0.113.1', '10.0.0.1 0'],
    ['for=198.51.100.7 proto=https', '10.0.0.1 0'],
    ['for=garbage', '10.0.0.1 0'],
    ['nonsense', '10.0.0.1 0'],
    ['for="198.51.100.7', '10.0.0.1 0'],
    ['for="203.0.113.1, for=198.51.100.7', '198.51.100.7 0'],
    ['for="203.0.113.1, for="198.51.100.7"', '198.51.100.7 0'],
    ['for=198.51.100.7, "', '10.0.0.1 0'],
    [',, for=198.51.100.7 ,', '198.51.100.7 0'],
    ['', '10.0.0.1 0'],
  ]
  for (const [value, expected, from] of table) {
    t.equal(origin('forwarded', { forwarded: value, 'x-forwarded-for': '203.0.113.99', 'x-forwarded-proto': 'http' }, from), expected, value)
  }
})

t.test('whatever a client writes before what a trusted proxy adds: the client is the one that the proxy saw', async () => {
  const text = fc.string({ unit: fc.constantFrom(...'0123456789abcdef.:,;="[] for\\_unkow\t'), maxLength: 60 })
  fc.assert(fc.property(text, (claimed) => {
    const found = originOf({ get: (name) => (name === 'x-forwarded-for' ? `${claimed}, 198.51.100.7` : undefined) }, 'x-forwarded', '10.0.0.1', trusted)
    if (found?.ip !== '198.51.100.7') throw new Error(`believed ${claimed}: ${found?.ip}`)
  }))
  const added = fc.constantFrom('for=198.51.100.7', 'for="198.51.100.7:99"', 'for="198.51.100.7";host="a\\",b\\\\"')
  fc.assert(fc.property(text, added, (claimed, element) => {
    const found = originOf({ get: (name) => (name === 'forwarded' ? `${claimed}, ${element}` : undefined) }, 'forwarded', '10.0.0.1', trusted)
    if (found?.ip !== '198.51.100.7') throw new Error(`believed ${claimed}: ${found?.ip}`)
  }))
})
