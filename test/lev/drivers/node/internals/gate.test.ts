import t from 'tap'
import { isOpen, isProven } from '../../../../../lev/drivers/node/internals/gate.js'

t.test('a version is proven up to the newest of its line', async (t) => {
  const newest = ['22.9', '24.21']
  for (const version of ['22.0.0', '22.9.99', '24.3.0', '24.21.1']) t.ok(isProven(version, newest), version)
  for (const version of ['22.10.0', '24.22.0', '23.1.0', '25.0.0', '20.18.0', '26.1.0', '2.9.0']) t.notOk(isProven(version, newest), version)
  t.notOk(isProven('25.0.0-nightly20260101', newest))
})

t.test('on this version a closed part is closed for each use', async (t) => {
  if (process.env.LEVERET_PORTABLE === '1') t.notOk(isOpen('sharedRead'))
  else t.equal(isOpen('directInput'), isOpen('directOutput'), 'the two parts that TLS of 26 closes')
})
