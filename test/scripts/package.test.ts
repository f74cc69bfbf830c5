import { spawnSync } from 'node:child_process'
import { cpSync, readFileSync, symlinkSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const root = fileURLToPath(new URL('../../../', import.meta.url))

t.test('npm pack in a fresh clone makes a package with all that its exports name', async (t) => {
  const cwd = t.testdir()
  const sources = ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'scripts', 'lev', 'tls', 'lib', 'testing', 'docs', 'README.md', 'LICENSE', 'CHANGELOG.md']
  for (const name of sources) cpSync(`${root}${name}`, `${cwd}/${name}`, { recursive: true })
  symlinkSync(`${root}node_modules`, `${cwd}/node_modules`)
  const { status, stdout, stderr } = spawnSync('npm', ['pack', '--json', '--offline'], { cwd, encoding: 'utf8' })
  t.equal(status, 0, stderr)
  const [{ files }] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [{ files: { path: string }[] }]
  const packed = new Set(files.map(({ path }) => path))
  const { exports } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { exports: Record<string, Record<string, string>> }
  for (const file of Object.values(exports).flatMap((entry) => Object.values(entry))) {
    t.ok(packed.has(file.slice(2)), file)
  }
  t.notOk([...packed].some((path) => path.startsWith('test') || path.endsWith('.test.js')), 'and no tests')
})
