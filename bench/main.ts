import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeCertificate } from './certificate.js'
import { writeContent } from './content.js'
import { howToInstall, wrkVersion } from './load/wrk.js'
import { describeMachine } from './machine.js'
import { missing, type Missing, type Setting } from './measure/setting.js'
import { readOptions, Refused, usage, type Options } from './options.js'
import type { Peer } from './peer.js'
import { chooseCores, type Cores } from './proc.js'
import type { Report, Result } from './report/result.js'
import { html } from './report/html.js'
import { block, heading, tableHead } from './report/table.js'
import { runScenario } from './run.js'
import type { Ground } from './server.js'

/** What has to be there, or one clear line. */
function demand(): { wrk: string; cores: Cores } {
  if (process.platform !== 'linux') throw new Refused('the benchmark needs Linux: it reads /proc and pins processes to cores')
  const wrk = wrkVersion()
  if (wrk === null) throw new Refused(howToInstall)
  for (const tool of ['taskset', 'setpriv']) {
    if (spawnSync(tool, ['--version']).error !== undefined) {
      throw new Refused(`${tool} is missing, and it starts the servers: install it (Debian, Ubuntu: apt install util-linux)`)
    }
  }
  const cores = chooseCores()
  if (cores === null) throw new Refused('the benchmark needs two cores: one for the server, one for the load')
  return { wrk, cores }
}

/** One line that is written over and over on a terminal; in a file, no line at all. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

function print(text: string): void {
  progress('')
  console.log(text)
}

async function run(options: Options): Promise<void> {
  const { wrk, cores } = demand()
  // This program is a part of the load: it must not take the servers' core.
  spawnSync('taskset', ['-pc', String(cores.load), String(process.pid)])
  const { present, absent, versions } = findPeers(options.peers)
  const machine = describeMachine(cores, { wrk, ...versions })
  const setting: Setting = { plan: options.plan, cores, ground: prepareGround(), peers: present, progress }
  const results: Result[] = []
  print(`${heading(machine, options.plan)}\n\n${tableHead()}`)
  for (const [index, scenario] of options.scenarios.entries()) {
    const place = (text: string): void => {
      progress(`[${index + 1}/${options.scenarios.length}, ${Math.round(performance.now() / 1000)} s] ${text}`)
    }
    const result = await runScenario(scenario, { ...setting, progress: place }, absent)
    results.push(result)
    print(block(result))
    if (result.missing.some(({ why }) => why === 'failed')) process.exitCode = 1
  }
  const report: Report = { made: new Date().toISOString(), machine, plan: options.plan, results }
  writeReport(report, options.out ?? fileURLToPath(new URL('../../bench/results', import.meta.url)))
}

function writeReport(report: Report, folder: string): void {
  mkdirSync(folder, { recursive: true })
  const { made, machine, plan, results } = report
  const name = join(folder, made.slice(0, 19).replaceAll(':', '.'))
  writeFileSync(`${name}.txt`, `${[`${heading(machine, plan)}\n\n${tableHead()}`, ...results.map(block)].join('\n')}\n`)
  writeFileSync(`${name}.json`, `${JSON.stringify(report, null, 2)}\n`)
  writeFileSync(`${name}.html`, html(report))
  print(`\n${name}.html, .json and .txt`)
}

function findPeers(peers: readonly Peer[]): { present: Peer[]; absent: Missing[]; versions: Record<string, string> } {
  const present: Peer[] = []
  const absent: Missing[] = []
  const versions: Record<string, string> = {}
  for (const peer of peers) {
    const found = peer.find()
    if ('absent' in found) {
      absent.push(missing(peer, 'absent', found.absent))
    } else {
      present.push(peer)
      if (found.version !== process.version) versions[peer.title] = found.version
    }
  }
  return { present, absent, versions }
}

/** A folder that goes when this program goes. */
function prepareGround(): Ground {
  const folder = mkdtempSync(join(tmpdir(), 'leveret-bench-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
  const content = join(folder, 'content')
  mkdirSync(content)
  writeContent(content)
  return { folder, content, pem: makeCertificate(folder, new Date()) }
}

try {
  const options = readOptions(process.argv.slice(2))
  if (options === null) console.log(usage)
  else await run(options)
} catch (error) {
  progress('')
  console.error(error instanceof Refused ? error.message : error)
  process.exitCode = 1
}
