import t from 'tap'
import { clientNetwork } from '../../../lib/peer/client-network.js'
import { ipText } from '../../../lib/peer/ip-address.js'
import { randomFrom, seed } from '../../support/seed.js'

const table: readonly [ip: string, network: string][] = [
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::ffff:c000:201', '192.0.2.1'],
  ['2001:db8:0:1:2:3:4:5', '2001:db8:0:1::/64'],
  ['2001:db8:0:1::', '2001:db8:0:1::/64'],
  ['2001:db8:0:1::5', '2001:db8:0:1::/64'],
  ['2001:0DB8:0000:0001::5', '2001:db8:0:1::/64'],
  ['2001:db8::1:0:0:5', '2001:db8:0:0::/64'],
  ['2001:db8::5', '2001:db8:0:0::/64'],
  ['2001:db8:0:0:1::', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
  ['', ''],
  ['unix:', 'unix:'],
]

t.test('networks of clients', async (t) => {
  for (const [ip, network] of table) t.equal(clientNetwork(ip), network, ip)
})

t.test('other prefixes', async (t) => {
  const ip = '2001:db8:1234:5678:9abc:def0:1234:5678'
  const prefixes: readonly [prefix: number, network: string][] = [
    [32, '2001:db8::/32'], [33, '2001:db8:0::/33'], [36, '2001:db8:1000::/36'], [48, '2001:db8:1234::/48'], [56, '2001:db8:1234:5600::/56'],
    [63, '2001:db8:1234:5678::/63'], [65, '2001:db8:1234:5678:8000::/65'], [112, '2001:db8:1234:5678:9abc:def0:1234::/112'],
    [127, '2001:db8:1234:5678:9abc:def0:1234:5678/127'], [128, '2001:db8:1234:5678:9abc:def0:1234:5678/128'],
  ]
  for (const [prefix, network] of prefixes) {
    t.equal(clientNetwork(ip, prefix), network)
    for (const other of ['192.0.2.1', '::ffff:192.0.2.1']) t.equal(clientNetwork(other, prefix), '192.0.2.1')
  }
  t.equal(clientNetwork('2001:db8:1234:56ff::1', 56), clientNetwork(ip, 56))
  t.not(clientNetwork('2001:db8:1234:5700::1', 56), clientNetwork(ip, 56))
  for (const prefix of [31, 129, 64.5, NaN, '64']) {
    for (const one of [ip, '192.0.2.1']) {
      t.throws(() => clientNetwork(one, prefix as number), { name: 'ArgumentError', message: /^prefix must be an integer from 32 to 128 \(bits\), got / })
    }
  }
})

t.test('all addresses of a network have one key, however they are written', async (t) => {
  const random = randomFrom(seed)
  const group = (): number => random.pick([0, 0, 1, random.below(0x10000)])
  for (let count = 0; count < 500; count++) {
    const network = [0x2001, group(), group(), group()]
    const address = [...network, group(), group(), group(), group()]
    const hex = address.map((one) => one.toString(16))
    const spellings = [ipText(address), hex.join(':'), hex.map((one) => one.padStart(4, '0')).join(':'), hex.join(':').toUpperCase()]
    for (const ip of spellings) t.equal(clientNetwork(ip), `${hex.slice(0, 4).join(':')}::/64`, ip)
  }
})
