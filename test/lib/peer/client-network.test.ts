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
