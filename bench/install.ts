import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { peerFile, printed } from './peer.js'
import { goProgram, peers } from './peers.js'

/** Gets the peers: those of npm into their own package, Go's server from its source. The rest it can only ask for. */

function run(command: string, args: readonly string[], folder: string): boolean {
  console.log(`${command} ${args.join(' ')}`)
  return spawnSync(command, args, { cwd: folder, stdio: 'inherit' }).status === 0
}

const tools: readonly { readonly program: string; readonly check: readonly string[]; readonly debian: string; readonly what: string }[] = [
  { program: 'wrk', check: ['--version'], debian: 'wrk', what: 'makes the load: nothing is measured without it' },
  { program: 'taskset', check: ['--version'], debian: 'util-linux', what: 'pins processes to cores: nothing is measured without it' },
  { program: 'go', check: ['version'], debian: 'golang-go', what: 'builds the server for Go net/http' },
  { program: 'nginx', check: ['-v'], debian: 'nginx-light', what: 'is a peer' },
]

// Scripts of packages are not run: nothing here needs any.
if (!run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], peerFile('.'))) process.exitCode = 1
if (printed('go', ['version']) !== null) {
  mkdirSync(dirname(goProgram), { recursive: true })
  if (!run('go', ['build', '-o', goProgram, '.'], peerFile('go'))) process.exitCode = 1
}

console.log()
for (const { title, find } of peers) {
  const found = find()
  console.log('version' in found ? `${title}: ${found.version}` : `${title}: absent: ${found.absent}`)
}
const lacking = tools.filter(({ program, check }) => spawnSync(program, check).error !== undefined)
for (const { program, what } of lacking) console.log(`${program} is missing: it ${what}`)
if (lacking.length > 0) console.log(`On Debian and Ubuntu: apt install ${lacking.map(({ debian }) => debian).join(' ')}`)
