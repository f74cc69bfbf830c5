import { readFileSync } from 'node:fs'
import t from 'tap'
import { cpuBetween, parseAllowedCores, parseCoreBusy, parseCoreList, parseTicks, residentMemory, sampleCpu } from '../../bench/proc.js'

const stat = (name: string): string =>
  `4242 (${name}) R 1 4242 4242 0 -1 4194304 12 34 0 0 731 269 5 6 20 0 11 0 98765 1234567 890 18446744073709551615 1 1 0\n`

t.test('ticks of a process, whatever its name', async (t) => {
  t.same(parseTicks(stat('node')), { user: 731, system: 269 })
  t.same(parseTicks(stat('a) R 9 (b')), { user: 731, system: 269 })
  t.throws(() => parseTicks('4242 (node) R 1'), /not a \/proc/)
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

t.test('CPU time between two moments: of all threads, and split as the ticks are', async (t) => {
  const first = { threads: new Map([[1, 5000], [2, 100_000]]), user: 10, system: 10 }
  const second = { threads: new Map([[1, 9000], [3, 2000]]), user: 13, system: 11 }
  t.same(cpuBetween(first, second), { total: 6, system: 1.5 })
  t.same(cpuBetween(first, first), { total: 0, system: 0 })
})

t.test('this system is understood', { skip: process.platform !== 'linux' }, async (t) => {
  const cores = parseAllowedCores(readFileSync('/proc/self/status', 'latin1'))
  t.ok(parseCoreBusy(readFileSync('/proc/stat', 'latin1'), cores[0]) > 0)
  t.ok(residentMemory(process.pid) > 10 * 2 ** 20)
  const [first, own] = [sampleCpu(process.pid), process.cpuUsage()]
  while (process.cpuUsage(own).user < 200_000) continue
  const { total } = cpuBetween(first, sampleCpu(process.pid))
  const used = process.cpuUsage(own)
  // What the kernel says from outside is what the process sees, but for what it has not been told of yet: a tick or two.
  t.ok(Math.abs(total - used.user - used.system) < 50_000, `${total} against ${used.user + used.system} us`)
})
