import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'

const scripts = fileURLToPath(new URL('../../../scripts/', import.meta.url))

const fakeTap = 'console.log(`ran ${JSON.stringify(process.argv.slice(2).filter((arg) => !arg.startsWith("--save=")))}`)\n'

interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A project with some tests, a compiler and a tap that only tell that they ran, and the four versions of Node.js. */
function project(t: Test): (script: string, args: readonly string[], from?: string) => Outcome {
  const name = `node-${process.platform === 'darwin' && process.arch === 'arm64' ? 'bin-' : ''}${process.platform}-${process.arch}`
  const version = (major: number) => ({
    node_modules: { [name]: { bin: { node: `#!/bin/sh\nif [ "$1" = -p ]; then echo ${major}.0.0; else exec "${process.execPath}" "$@"; fi\n` } } },
  })
  const cwd = t.testdir({
    'package.json': JSON.stringify({ type: 'module', scripts: { compile: 'echo compiled' } }),
    node_modules: {
      tap: { 'package.json': '{ "type": "module" }', dist: { esm: { 'run.mjs': fakeTap } } },
      '.cache': { nodes: { 20: version(20), 22: version(22), 24: version(24), 26: version(26) } },
    },
    lib: { 'a.ts': '' },
    test: { 'top.test.ts': '', bench: { 'a.test.ts': '' }, docs: { 'exports.test.ts': '', 'links.test.ts': '' }, lib: { 'a.test.ts': '', 'b.test.ts': '', 'help.ts': '', deep: { 'b.test.ts': '' } }, empty: { 'help.ts': '' } },
  })
  spawnSync('sh', ['-c', 'chmod +x node_modules/.cache/nodes/*/node_modules/*/bin/node'], { cwd })
  return (script, args, from = '.') => {
    const env = { ...process.env, INIT_CWD: `${cwd}/${from}` }
    return spawnSync(process.execPath, [`${scripts}${script}`, ...args], { cwd, env, encoding: 'utf8' })
  }
}

const tests: readonly [args: string[], given: string[], from?: string][] = [
  [[], []],
  [['test/lib/a.test.ts'], ['.build/test/lib/a.test.js']],
  [['./test/lib/a.test.ts', 'test/top.test.ts'], ['.build/test/lib/a.test.js', '.build/test/top.test.js']],
  [['.build/test/lib/a.test.js'], ['.build/test/lib/a.test.js']],
  [['.build/test/lib/deep'], ['.build/test/lib/deep/b.test.js']],
  [['test/lib'], ['.build/test/lib/a.test.js', '.build/test/lib/b.test.js', '.build/test/lib/deep/b.test.js']],
  [['test/lib/deep/'], ['.build/test/lib/deep/b.test.js']],
  [['b.test.ts'], ['.build/test/lib/b.test.js'], 'test/lib'],
  [['deep'], ['.build/test/lib/deep/b.test.js'], 'test/lib'],
  [['test/top.test.ts'], ['.build/test/top.test.js'], 'test/lib'],
  [['--bail', 'test/top.test.ts', '--jobs=1'], ['--bail', '.build/test/top.test.js', '--jobs=1']],
  [['--grep', 'a word', '-R', 'tap', 'test/top.test.ts'], ['--grep', 'a word', '-R', 'tap', '.build/test/top.test.js']],
]

t.test('tests are named by their sources', async (t) => {
  const run = project(t)
  for (const [args, given, from] of tests) {
    const { status, stdout, stderr } = run('test.js', args, from)
    t.strictSame({ status, stdout, stderr }, { status: 0, stdout: `ran ${JSON.stringify(given)}\n`, stderr: 'compiled\n' }, args.join(' '))
  }
})

t.test('on every version of Node.js they are named alike', async (t) => {
  const run = project(t)
  const args = ['--bail', 'test/lib/a.test.ts', 'test/lib/deep']
  const { status, stdout, stderr } = run('test-nodes.js', args)
  t.equal(status, 0, stderr)
  t.equal(stdout, 'ran ["--bail",".build/test/lib/a.test.js",".build/test/lib/deep/b.test.js"]\n'.repeat(6))
  t.equal(stderr.match(/^compiled$/gm)?.length, 1, 'compiled once')
})

t.test('--others leaves out what npm test has run: the running version, not portable', async (t) => {
  const run = project(t)
  const { status, stdout, stderr } = run('test-nodes.js', ['test/top.test.ts', '--others'])
  t.equal(status, 0, stderr)
  t.equal(stdout, 'ran [".build/test/top.test.js"]\n'.repeat(5))
  const running = Number.parseInt(process.versions.node, 10)
  const others = [20, 22, 24, 26].filter((major) => major !== running).map((major) => `Node.js ${major}: passed`)
  t.match(stderr, [...others, 'Node.js 20, portable: passed', 'Node.js 26, portable: passed'].join('\n'))
  t.notMatch(stderr, `Node.js ${running}:`)
})

t.test('--others leaves out the tests that do not depend on the version', async (t) => {
  const run = project(t)
  const lib = ['lib/a', 'lib/b', 'lib/deep/b'].map((name) => `.build/test/${name}.test.js`)
  const all = ['--bail', '.build/test/docs/links.test.js', ...lib, '.build/test/top.test.js']
  t.equal(run('test-nodes.js', ['--others', '--bail']).stdout, `ran ${JSON.stringify(all)}\n`.repeat(5))
  t.equal(run('test-nodes.js', ['--others', 'test/bench/a.test.ts']).stdout, 'ran [".build/test/bench/a.test.js"]\n'.repeat(5), 'unless they are named')
})

const wrong: readonly [args: string[], says: string][] = [
  [['test/lib/c.test.ts'], 'no such test: test/lib/c.test.ts\n'],
  [['test/b.test.ts'], 'no such test: test/b.test.ts; there is test/lib/b.test.ts, test/lib/deep/b.test.ts\n'],
  [['test/lib/help.ts'], 'no such test: test/lib/help.ts\n'],
  [['lib/a.ts'], 'no such test: lib/a.ts\n'],
  [['test/empty', 'nothing'], 'no such test: test/empty\nno such test: nothing\n'],
  [['--bail', 'test/lib/c.test.ts'], 'no such test: test/lib/c.test.ts\n'],
]

t.test('a wrong name is told at once, and nothing is run', async (t) => {
  const run = project(t)
  for (const [args, says] of wrong) {
    for (const script of ['test.js', 'test-nodes.js']) {
      const { status, stdout, stderr } = run(script, args)
      t.strictSame({ status, stdout, stderr }, { status: 2, stdout: '', stderr: says }, `${script} ${args.join(' ')}`)
    }
  }
})
