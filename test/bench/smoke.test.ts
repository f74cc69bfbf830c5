import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { developmentIdentities } from 'leveret/tls'
import { ask } from '../../bench/check.js'
import { contenders, RunningServer, type PemFiles } from '../../bench/contender.js'
import { checkAnswers } from '../../bench/measure.js'
import { scenarios } from '../../bench/scenarios.js'

const main = fileURLToPath(new URL('../../bench/main.js', import.meta.url))

t.test('every server answers every scenario alike, and counts', async (t) => {
  const { ssl } = developmentIdentities(t.testdir(), ['localhost'], Date.now() / 1000)
  const pem = { cert: '', key: '', ...ssl.default } as PemFiles
  for (const scenario of scenarios) {
    const servers: RunningServer[] = []
    try {
      for (const contender of contenders) servers.push(await RunningServer.start(contender, scenario, pem, null))
      await checkAnswers(scenario, servers)
      for (const [index, server] of servers.entries()) {
        const name = `${scenario.name}, ${contenders[index].name}`
        const first = await server.sample()
        t.equal(first.requests, scenario.depth, `${name}: the check was counted`)
        const { texts } = await ask(scenario, server.port)
        t.match(texts[0], /^HTTP\/1\.1 200 OK\r\n/, name)
        const last = await server.sample()
        t.equal(last.requests - first.requests, scenario.depth, `${name}: the requests between two samples`)
        t.ok(last.time > first.time && last.user + last.system >= first.user + first.system, name)
      }
    } finally {
      for (const server of servers) server.stop()
    }
  }
})

t.test('without wrk it says what to install', { skip: process.platform !== 'linux' }, async (t) => {
  const { status, stderr } = spawnSync(process.execPath, [main], { encoding: 'utf8', env: { PATH: '' } })
  t.equal(status, 1)
  t.match(stderr, /^wrk is missing.*apt install wrk.*\n$/)
})

t.test('a wrong option is told in a line', async (t) => {
  for (const [args, fault] of [[['--only', 'nothing'], 'no scenario nothing'], [['--fast'], '--fast']] as const) {
    const { status, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' })
    t.equal(status, 1)
    t.match(stderr, fault)
    t.match(stderr, '--quick')
    t.notMatch(stderr, /^\s+at /m)
  }
})
