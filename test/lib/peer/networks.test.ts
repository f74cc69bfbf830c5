import fc from 'fast-check'
import t from 'tap'
import { BlockList, isIP } from 'node:net'
import { ConfigError } from '../../../lib/errors.js'
import { ipText, parseIp } from '../../../lib/peer/ip-address.js'
import { network, Networks } from '../../../lib/peer/networks.js'

t.test('addresses: one text for each, IPv4-mapped ones as IPv4', async (t) => {
  const table: [given: string, canonical: string | null][] = [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:C000:0201', '192.0.2.1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1:0:0:0:1', '2001:db8:0:1::1'],
    ['2001:0:0:1:0:0:1:1', '2001::1:0:0:1:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::', '::'],
    ['1::', '1::'],
    ['::1', '::1'],
    ['::192.0.2.1', '::c000:201'],
    ['fe80::1%eth0', 'fe80::1'],
    ['192.0.2.01', null],
    ['192.0.2', null],
    ['[::1]', null],
    ['::1::', null],
    ['example.com', null],
    ['', null],
  ]
  for (const [given, canonical] of table) {
    const address = parseIp(given)
    t.equal(address === null ? null : ipText(address), canonical, given)
  }
})

t.test('addresses: what is read and written is what the platform reads', async () => {
  fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
    const address = parseIp(text)
    if (address === null) throw new Error(`${text} is not read`)
    const written = ipText(address)
    if (isIP(written) === 0) throw new Error(`${written} is no address`)
    if (new URL(`http://[${written.includes(':') ? written : `::ffff:${written}`}]/`).hostname
      !== new URL(`http://[${text.includes(':') ? text : `::ffff:${text}`}]/`).hostname) throw new Error(`${text} became ${written}`)
  }))
})

t.test('networks: what a list includes, as the list of node:net does', async () => {
  const ip = fc.oneof(fc.ipV4(), fc.ipV6(), fc.constantFrom('10.0.0.1', '10.255.0.9', '11.0.0.0', '::ffff:10.0.0.1', '2001:db8::1', '2001:db9::'))
  const range = fc.tuple(ip, fc.nat(128)).map(([text, bits]): [string, number] => [text, text.includes(':') ? bits : bits % 33])
  fc.assert(fc.property(range, ip, ([text, bits], other) => {
    const list = new BlockList()
    const family = (one: string): 'ipv4' | 'ipv6' => (one.includes(':') ? 'ipv6' : 'ipv4')
    list.addSubnet(text, bits, family(text))
    const mixed = family(text) !== family(other)
    // The platform compares addresses of different families only if one is IPv4-mapped.
    if (mixed && bits < 96) return
    const expected = list.check(other, family(other))
    if (new Networks([`${text}/${bits}`]).includes(other) !== expected) throw new Error(`${text}/${bits} and ${other}: not ${expected}`)
  }), { numRuns: 500 })
})

t.test('networks: names', async (t) => {
  const loopback = new Networks(['loopback'])
  for (const ip of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1']) t.ok(loopback.includes(ip), ip)
  for (const ip of ['128.0.0.1', '::2', '', 'localhost']) t.notOk(loopback.includes(ip), ip)
  t.ok(new Networks(['unix']).includes(''))
  t.notOk(new Networks(['unix']).includes('127.0.0.1'))
  t.notOk(new Networks([]).includes(''))
})

t.test('the setting: ranges in one form, or an error that names the range meant', async (t) => {
  const table: [given: unknown, canonical: string | RegExp][] = [
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['::FFFF:10.0.0.0/104', '10.0.0.0/8'],
    ['10.1.2.3', '10.1.2.3'],
    ['10.1.2.3/32', '10.1.2.3'],
    ['2001:DB8::/32', '2001:db8::/32'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['::/0', '::/0'],
    ['loopback', 'loopback'],
    ['unix', 'unix'],
    ['10.0.0.1/8', /did you mean "10\.0\.0\.0\/8"/],
    ['2001:db8::1/64', /did you mean "2001:db8::\/64"/],
    ['10.0.0.0/33', /must be an IP address, a range/],
    ['10.0.0.0/08', /must be an IP address, a range/],
    ['10.0.0.0/', /must be an IP address, a range/],
    ['10.0.0.0/8/8', /must be an IP address, a range/],
    ['10.0.0', /must be an IP address, a range/],
    ['fe80::1%eth0', /must be an IP address, a range/],
    ['proxy.example.com', /must be an IP address, a range/],
    ['constructor', /must be an IP address, a range/],
    [10, /got 10/],
  ]
  for (const [given, expected] of table) {
    if (typeof expected === 'string') t.equal(network(given, 'trusted_proxies[0]'), expected)
    else t.throws(() => network(given, 'trusted_proxies[0]'), { constructor: ConfigError, key: 'trusted_proxies[0]', message: expected }, String(given))
  }
})
