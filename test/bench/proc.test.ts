import { readFileSync } from 'node:fs'
import t from 'tap'
import { parseAllowedCores, parseCoreBusy, parseCoreList, parseProcessCpu } from '../../bench/proc.js'

const stat = (name: string): string =>
  `4242 (${name}) R 1 4242 4242 0 -1 4194304 12 34 0 0 731 269 5 6 20 0 11 0 98765 1234567 890 18446744073709551615 1 1 0\n`

t.test('CPU time of a process, whatever its name', async (t) => {
  t.equal(parseProcessCpu(stat('node')), 10)
  t.equal(parseProcessCpu(stat('a) R 9 (b')), 10)
  t.throws(() => parseProcessCpu('4242 (node) R 1'), /not a \/proc/)
})

t.test('a core is busy while it is not idle and waits for no disk', async (t) => {
  const text = 'cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 100 20 30 5000 600 4 5 41 7 0\ncpu1 1 1 1 1 1 1 1 1 0 0\ncpu10 7 0 0 0 0 0 0\nintr 1\n'
  t.equal(parseCoreBusy(text, 0), 2)
  // An old kernel tells of no stolen time.
  t.equal(parseCoreBusy(text, 10), 0.07)
  t.throws(() => parseCoreBusy(text, 2), /no core 2/)
})

t.test('lists of cores', async (t) => {
  t.same(parseCoreList('0\n'), [0])
  t.same(parseCoreList('0-2,5,8-9\n'), [0, 1, 2, 5, 8, 9])
  t.same(parseCoreList('\n'), [])
  t.same(parseAllowedCores('Name:\tnode\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\nMems_allowed:\t1\n'), [0, 1])
  t.throws(() => parseAllowedCores('Name:\tnode\n'), /no Cpus_allowed_list/)
})

t.test('this system is understood', { skip: process.platform !== 'linux' }, async (t) => {
  t.ok(parseProcessCpu(readFileSync('/proc/self/stat', 'latin1')) >= 0)
  const cores = parseAllowedCores(readFileSync('/proc/self/status', 'latin1'))
  t.ok(parseCoreBusy(readFileSync('/proc/stat', 'latin1'), cores[0]) > 0)
})
