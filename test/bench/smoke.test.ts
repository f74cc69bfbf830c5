import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { makeCertificate } from '../../bench/certificate.js'
import { writeContent } from '../../bench/content.js'
import { wrkVersion } from '../../bench/load/wrk.js'
import { startAll } from '../../bench/measure/start.js'
import { noTodos, peers } from '../../bench/peers.js'
import { chooseCores, residentMemory } from '../../bench/proc.js'
import { closed } from '../../bench/scenarios.js'

const main = fileURLToPath(new URL('../../bench/main.js', import.meta.url))
const linux = process.platform === 'linux'

/** Those that need nothing but what this package needs. */
const own = peers.filter(({ name }) => name === 'leveret' || name === 'node-http')

t.test('every server responds to every scenario alike', { skip: !linux }, async (t) => {
  const folder = t.testdir()
  const ground = { folder, content: `${folder}/content`, pem: makeCertificate(folder, new Date()) }
  mkdirSync(ground.content)
  writeContent(ground.content)
  for (const scenario of closed) {
    const { servers, missing } = await startAll(scenario, { ground, peers: own, cores: null })
    try {
      t.same(missing.filter(({ why }) => why !== 'does not apply'), [], scenario.name)
      t.ok(servers.length > 0 || noTodos !== null && scenario.task === 'todo', scenario.name)
      for (const server of servers) {
        t.ok(server.cpu().threads.size > 0)
        t.ok(residentMemory(server.pid) > 0)
      }
    } finally {
      await Promise.all(servers.map((server) => server.stop()))
    }
  }
})

t.test('without wrk it says what to install', { skip: !linux }, async (t) => {
  const { status, stderr } = spawnSync(process.execPath, [main], { encoding: 'utf8', env: { PATH: '' } })
  t.equal(status, 1)
  t.match(stderr, /^wrk is missing.*apt install wrk.*\n$/)
})

t.test('a wrong option is told in a line', async (t) => {
  const wrong = [[['--only', 'nothing'], 'no scenario nothing'], [['--peers', 'leveret,nobody'], 'no peer nobody'], [['--fast'], '--fast']] as const
  for (const [args, fault] of wrong) {
    const { status, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' })
    t.equal(status, 1)
    t.match(stderr, fault)
    t.match(stderr, '--quick')
    t.notMatch(stderr, /^\s+at /m)
  }
})

t.test('help', async (t) => {
  const { status, stdout } = spawnSync(process.execPath, [main, '--help'], { encoding: 'utf8' })
  t.equal(status, 0)
  t.match(stdout, '--peers')
})

t.test('it measures and reports', { skip: !linux || wrkVersion() === null || chooseCores() === null }, async (t) => {
  const out = t.testdir()
  const args = ['--quick', '--only', 'bare', '--peers', 'leveret,node-http,ws', '--out', out]
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' })
  t.equal(status, 0, stderr)
  t.match(stdout, /bare GET, keep-alive \(bare\); ratios to node:http\n {2}Leveret +\d+ \(/)
  t.match(stdout, /does not apply: ws|ws: absent/)
  const files = readdirSync(out).sort()
  t.same(files.map((file) => file.replace(/.*\./, '')), ['html', 'json', 'txt'])
  const { results } = JSON.parse(readFileSync(`${out}/${files[1]}`, 'utf8')) as { results: { rows: { rounds: { requests: number }[] }[] }[] }
  t.equal(results[0].rows.length, 2)
  for (const { rounds } of results[0].rows) t.ok(rounds.every(({ requests }) => requests > 0))
})
