import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { setImmediate as yieldToEvents } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const script = fileURLToPath(new URL('../../../scripts/build.js', import.meta.url))

const project = {
  'tsconfig.json': JSON.stringify({
    compilerOptions: { target: 'ES2022', module: 'NodeNext', types: [], rootDir: '.', skipLibCheck: true }, include: ['lib'],
  }),
  'package.json': '{ "type": "module" }',
  lib: { 'one.ts': 'export const one: number = 1\n', deep: { 'two.ts': 'export const two = 2\n' } },
}

const args = [script, 'tsconfig.json', 'out']

t.test('compiles, and removes what has no source any more', async (t) => {
  const cwd = t.testdir({ ...project, out: { lib: { 'gone.js': '', 'one.js': 'old' }, other: { 'kept.js': '' } } })
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' })
  t.equal(status, 0, stderr)
  t.equal(stdout, '', 'what npm prints as JSON stays JSON')
  t.equal(stderr, 'Compiling tsconfig.json into out: this takes some seconds\n')
  t.strictSame(readdirSync(`${cwd}/out`, { recursive: true }).sort(), ['lib', 'lib/deep', 'lib/deep/two.js', 'lib/one.js', 'other', 'other/kept.js'])
  t.equal(readFileSync(`${cwd}/out/lib/one.js`, 'utf8'), 'export const one = 1;\n')
  t.strictSame(readdirSync(cwd).sort(), ['lib', 'out', 'package.json', 'tsconfig.json'])
})

t.test('a program that runs from the folder misses no file while it is built', async (t) => {
  const cwd = t.testdir({ ...project, out: { lib: { 'one.js': 'old' } } })
  const building = spawn(process.execPath, args, { cwd, stdio: 'ignore' })
  const ended = once(building, 'exit')
  let missed = 0
  while (building.exitCode === null) {
    if (!existsSync(`${cwd}/out/lib/one.js`)) missed++
    await yieldToEvents()
  }
  t.strictSame(await ended, [0, null])
  t.equal(missed, 0)
})

t.test('with a type error the folder stays as it was', async (t) => {
  const cwd = t.testdir({ ...project, out: { lib: { 'one.js': 'old' } } })
  writeFileSync(`${cwd}/lib/one.ts`, 'export const one: number = "1"\n')
  const { status, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' })
  t.equal(status, 1)
  t.match(stderr, /lib\/one\.ts.*error TS2322/)
  t.equal(readFileSync(`${cwd}/out/lib/one.js`, 'utf8'), 'old')
  t.strictSame(readdirSync(cwd).sort(), ['lib', 'out', 'package.json', 'tsconfig.json'])
})
