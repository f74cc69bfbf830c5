// node scripts/test-nodes.js [--others] [FILE | FOLDER | OPTION OF TAP...]: compiles, and runs these tests, or all, on every
// supported version of Node.js, and with LEVERET_PORTABLE=1 on the oldest and the newest. It ends with the result of each
// step, and fails unless all passed.
//
// With --others it leaves out what `npm test` has run already: the running version, not portable; and, if no tests are named, those
// that do not depend on the version, since they compile, or test the tools.
//
// The versions come from the npm registry, as packages that carry the program. A version that cannot be had is a failure.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { compile, compiledTests, tap } from './tests.js'

const given = process.argv.slice(2)
const tested = given.includes('--others') ? versionOf(process.execPath) : null
const majors = [20, 22, 24, 26]
const steps = [
  ...majors.filter((major) => major !== tested).map((major) => ({ major, portable: false })),
  ...[majors[0], majors[majors.length - 1]].map((major) => ({ major, portable: true })),
]
const named = compiledTests(given.filter((arg) => arg !== '--others'))
const independent = /^\.build\/test\/(bench\/|house\.|docs\/(errors|exports|reference)\.|scripts\/tests\.)/
const isWhole = !named.some((arg) => arg.endsWith('.test.js'))
const args = tested === null || !isWhole ? named : [...named, ...compiledTests(['test']).filter((file) => !independent.test(file))]
compile()
const cache = resolve('node_modules', '.cache', 'nodes')
mkdirSync(cache, { recursive: true })

const results = steps.map((step) => {
  const name = `Node.js ${step.major}${step.portable ? ', portable' : ''}`
  console.error(`\n== The tests on ${name}`)
  const result = `${name}: ${run(step)}`
  console.error(`== ${result}`)
  return result
})
console.error(`\n== All steps\n${results.join('\n')}`)
process.exit(results.every((result) => result.endsWith(': passed')) ? 0 : 1)

/** Runs the tests of a step, and tells its result. */
function run({ major, portable }) {
  const node = nodeOf(major)
  if (node === null) return 'FAILED, this version cannot be had'
  // tap writes the files that failed there.
  const failures = join(cache, 'failures')
  rmSync(failures, { force: true })
  // Tests start programs as `node`, too.
  const env = { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}`, LEVERET_PORTABLE: portable ? '1' : '' }
  const { status } = spawnSync(node, [tap, `--save=${failures}`, ...args], { stdio: 'inherit', env })
  if (status === 0) return 'passed'
  const failed = existsSync(failures) ? readFileSync(failures, 'utf8').split('\n').filter((file) => file !== '') : []
  return ['FAILED', ...failed].join('\n  ')
}

/** The program of a version: the running one if it is of that version, else one in node_modules/.cache; null: it cannot be had. */
function nodeOf(major) {
  if (versionOf(process.execPath) === major) return process.execPath
  const folder = join(cache, String(major))
  const name = `node-${process.platform === 'darwin' && process.arch === 'arm64' ? 'bin-' : ''}${process.platform}-${process.arch}`
  const node = join(folder, 'node_modules', name, 'bin', 'node')
  if (!existsSync(node)) {
    mkdirSync(folder, { recursive: true })
    // Without a package of its own, npm would install into one further up.
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
    spawnSync('npm', ['install', '--no-audit', '--no-fund', `${name}@${major}`], { cwd: folder, stdio: ['ignore', 2, 2] })
  }
  return versionOf(node) === major ? node : null
}

function versionOf(node) {
  const { stdout } = spawnSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' })
  return Number.parseInt(stdout ?? '', 10)
}
