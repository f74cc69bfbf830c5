import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { makeCertificate } from '../../bench/certificate.js'
import { writeContent } from '../../bench/content.js'
import { startAll } from '../../bench/measure/closed.js'
import { peers } from '../../bench/peers.js'
import { residentMemory } from '../../bench/proc.js'
import { scenarios } from '../../bench/scenarios.js'

const main = fileURLToPath(new URL('../../bench/main.js', import.meta.url))
const linux = process.platform === 'linux'

/** Those that need nothing but what this package needs. */
const own = peers.filter(({ name }) => name === 'leveret' || name === 'node-http')

t.test('every server answers every scenario alike', { skip: !linux }, async (t) => {
  const folder = t.testdir()
  const ground = { folder, content: `${folder}/content`, pem: makeCertificate(folder, new Date()) }
  mkdirSync(ground.content)
  writeContent(ground.content)
  for (const scenario of scenarios) {
    const { servers, missing } = await startAll(scenario, { ground, peers: own, cores: null })
    try {
      t.same(missing.filter(({ why }) => why !== 'does not apply'), [], scenario.name)
      t.ok(servers.length > 0, scenario.name)
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
