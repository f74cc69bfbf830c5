import { isIPv6 } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import { isAuthority, isConnectTarget, isPlainHost } from '../../../lib/http1/authority.js'
import { seed } from '../../support/seed.js'

t.test('hosts and ports', async (t) => {
  const good = [
    'a', 'a.b', 'A-b_c.~', "!$&'()*+,;=", '1.2.3.4', '999.9', 'a:', 'a:0', 'a:00080', 'a:65535', '[::]',
    '[::]:1', '[::]:',
  ]
  for (const text of good) t.ok(isAuthority(text), text)
  const bad = [
    '', ':', ':1', 'a:65536', 'a:000080', 'a:b', 'a:1:2', 'a%20', 'a@b', 'a/b', 'a b', '\xe9', '[v1.a]',
    '[::%25eth0]', '[::]a',
  ]
  for (const text of bad) t.notOk(isAuthority(text), text)
})

t.test('what CONNECT may name', async (t) => {
  for (const text of ['a:1', '[::1]:443', '1.2.3.4:65535']) t.ok(isConnectTarget(text), text)
  for (const text of ['a', 'a:', 'a:0', 'a:65536', ':1', '[::1]', '[::1]:', '']) t.notOk(isConnectTarget(text), text)
})

t.test('IPv6 addresses are those that the platform knows', async (t) => {
  const table = [
    '::', '::1', '1::', '1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7::', '::2:3:4:5:6:7:8', '1::3:4:5:6:7:8',
    '1::2:3:4:5:6:7:8', '::ffff:1.2.3.4',
    '1:2:3:4:5:6:1.2.3.4', '64:ff9b::1.2.3.4', 'ABCD::ef01', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1::2::3', ':::',
    ':', '1:', ':1', '12345::', 'g::', '::1.2.3', '::1.2.3.4.5', '::1.2.3.256', '::1.2.3.04',
    '1.2.3.4::', '::1.2.3.4:5',
    '1:2:3:4:5:6:7:1.2.3.4', '::1.2.3.', '::.1.2.3', '1.2.3.4',
  ]
  for (const text of table) t.equal(isAuthority(`[${text}]`), isIPv6(text), text)
  const piece = fc.constantFrom(':', '::', '0', 'f', '12ab', '1.2.3.4', '.', '255')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 16 }), (pieces) => {
      const text = pieces.join('')
      return isAuthority(`[${text}]`) === isIPv6(text)
    }),
    { seed, numRuns: 3000 },
  )
})

t.test('the quick check accepts nothing that the whole one refuses', async () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'aZ09.-_:[]@% '), maxLength: 12 }), (text) => {
      const bytes = Buffer.from(text, 'latin1')
      return !isPlainHost(bytes, 0, bytes.length) || isAuthority(text)
    }),
    { seed, numRuns: 3000 },
  )
})
