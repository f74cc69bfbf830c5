// What `npm test` and `npm run test:nodes` share: the tests that their arguments name, the compiler, and tap.
import { spawnSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'

/** Path of tap's program. */
export const tap = join(dirname(createRequire(resolve('package.json')).resolve('tap/package.json')), 'dist', 'esm', 'run.mjs')

/**
 * The arguments for tap: each test file or folder by its compiled files, everything else as it is. Ends the process with a
 * message when a name is no test.
 */
export function compiledTests(args) {
  const problems = []
  const known = args.flatMap((arg, index) => {
    if (arg.startsWith('-')) return [arg]
    const files = testsOf(arg)
    if (files.length > 0) return files.map((file) => join('.build', file.replace(/\.ts$/, '.js')))
    // The value of an option of tap: `--grep word`.
    if (/^-[^=]*$/.test(args[index - 1] ?? '') && !/\.[jt]s$/.test(arg)) return [arg]
    const namesakes = sources('test').filter((file) => basename(file) === basename(arg))
    problems.push(`no such test: ${arg}${namesakes.length > 0 ? `; there is ${namesakes.join(', ')}` : ''}`)
    return []
  })
  if (problems.length > 0) {
    console.error(problems.join('\n'))
    process.exit(2)
  }
  return known
}

/** Compiles the package and its tests; ends the process if that fails. */
export function compile() {
  const { status } = spawnSync('npm', ['run', '--silent', 'compile'], { stdio: ['ignore', 2, 2] })
  if (status !== 0) process.exit(1)
}

/** The sources of the tests that a path names, seen from where the command was given or from the root. */
function testsOf(arg) {
  for (const from of [process.env.INIT_CWD ?? '.', '.']) {
    const path = relative('.', resolve(from, arg)).replace(`.build${sep}`, '').replace(/\.js$/, '.ts')
    const found = path.split(sep)[0] === 'test' ? sources(path) : []
    if (found.length > 0) return found
  }
  return []
}

/** The test files at and below a path. */
function sources(path) {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined) return []
  const files = stats.isDirectory() ? readdirSync(path, { recursive: true }).map((file) => join(path, file)) : [path]
  return files.filter((file) => file.endsWith('.test.ts')).sort()
}
