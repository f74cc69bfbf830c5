import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { developmentIdentities } from 'leveret/tls'
import { contenders, type PemFiles } from './contender.js'
import { howToInstall, wrkVersion } from './load.js'
import { describeMachine } from './machine.js'
import { measure, type Plan } from './measure.js'
import { chooseCores, type Cores } from './proc.js'
import { block, heading, summarize, tableHead, type Result } from './report.js'
import { scenarios, type Scenario } from './scenarios.js'

const full: Plan = { rounds: 7, warmUp: 2, settle: 0.4, window: 2 }
const quick: Plan = { rounds: 3, warmUp: 0.8, settle: 0.25, window: 0.8 }

const usage = `npm run bench -- [--quick] [--only NAME[,NAME]] [--json FILE]
  --quick  less than a minute, for a first look: the spread is wider
  --only   ${scenarios.map((scenario) => scenario.name).join(', ')}
  --json   writes everything that was measured to FILE, each round of it`

/** A fault of the machine's or the command line's: told in one line, without a stack. */
class Refused extends Error {}

interface Options {
  readonly plan: Plan
  readonly chosen: readonly Scenario[]
  readonly json: string | undefined
}

function readOptions(): Options {
  const values = readArguments()
  const names = values.only?.flatMap((list) => list.split(','))
  for (const name of names ?? []) {
    if (!scenarios.some((scenario) => scenario.name === name)) throw new Refused(`no scenario ${name}\n${usage}`)
  }
  return {
    plan: values.quick === true ? quick : full,
    chosen: scenarios.filter(({ name }) => names === undefined || names.includes(name)),
    json: values.json,
  }
}

function readArguments(): { quick?: boolean; only?: string[]; json?: string; help?: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        quick: { type: 'boolean' },
        only: { type: 'string', multiple: true },
        json: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
    if (values.help !== true) return values
  } catch (error) {
    throw new Refused(`${error instanceof Error ? error.message : String(error)}\n${usage}`)
  }
  console.log(usage)
  process.exit(0)
}

/** What has to be there, or one clear line. */
function demand(): { wrk: string; cores: Cores } {
  if (process.platform !== 'linux') throw new Refused('the benchmark needs Linux: it reads /proc and pins processes to cores')
  const wrk = wrkVersion()
  if (wrk === null) throw new Refused(howToInstall)
  if (spawnSync('taskset', ['--version']).error !== undefined) {
    throw new Refused('taskset is missing, and it pins processes to cores: install it (Debian, Ubuntu: apt install util-linux)')
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

async function main(): Promise<void> {
  const { plan, chosen, json } = readOptions()
  const { wrk, cores } = demand()
  const machine = describeMachine(cores, wrk)
  const folder = mkdtempSync(join(tmpdir(), 'leveret-bench-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  // Leaving by `exit` ends the servers, too: they go when their channel closes.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
  const pem = certificates(join(folder, 'certificates'))
  const results: Result[] = []
  print(`${heading(machine, plan)}\n\n${tableHead(contenders[contenders.length - 1])}`)
  for (const scenario of chosen) {
    const measured = await measure(scenario, { plan, cores, pem, folder, progress })
    const result = summarize(scenario, measured)
    results.push(result)
    print(block(result))
  }
  if (json !== undefined) {
    writeFileSync(json, `${JSON.stringify({ made: new Date().toISOString(), machine, plan, results }, null, 2)}\n`)
  }
}

function certificates(folder: string): PemFiles {
  const { ssl } = developmentIdentities(folder, ['localhost'], Date.now() / 1000)
  const { cert, key } = ssl.default ?? {}
  if (cert === undefined || key === undefined) throw new Error('no certificate was made')
  return { cert, key }
}

try {
  await main()
} catch (error) {
  progress('')
  console.error(error instanceof Refused ? error.message : error)
  process.exitCode = 1
}
