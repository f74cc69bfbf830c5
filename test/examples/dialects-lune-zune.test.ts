import { readFileSync } from 'node:fs'
import t from 'tap'
import { WebSocket } from 'undici'
import { eventually } from '../support/serving.js'
import { built, curlLines, Program, shell } from './program.js'

t.test('lune', async (t) => {
  const program = new Program(built('examples/lune.js'), { cwd: t.testdir() })
  t.teardown(() => program.kill())
  const port = await program.port(8080)
  const heard: unknown[] = []
  const watcher = new WebSocket(`ws://127.0.0.1:${port}/`)
  watcher.addEventListener('message', ({ data }: { data: unknown }) => void heard.push(data))
  await eventually(() => heard.length === 1, 'the standing')
  const [voting = '', looking = '', ...rest] = curlLines(readFileSync(built('../examples/lune.ts'), 'utf8'))
  t.equal(rest.length, 0)
  const standing = 'tea: 1\ncoffee: 1\n'
  t.match(await shell(await program.withPorts(voting), '.'), { stdout: standing })
  t.match(await shell(await program.withPorts(looking), '.'), { stdout: standing })
  t.match(await shell(`curl -s http://127.0.0.1:${port}/x`, '.'), { stdout: 'Nothing here.\n' })
  await eventually(() => heard.length === 2, 'the next standing')
  t.strictSame(heard, ['', standing])
  watcher.close()
  t.same(await program.stop(), { code: 0, signal: null })
})

t.test('zune', async (t) => {
  const program = new Program(built('examples/zune.js'), { cwd: t.testdir() })
  t.teardown(() => program.kill())
  await program.printed(/http:/)
  const [saying = '', looking = '', ...rest] = curlLines(readFileSync(built('../examples/zune.ts'), 'utf8'))
  t.equal(rest.length, 0)
  t.match(await shell(await program.withPorts(saying), '.'), { stdout: 'said\n' })
  let said = ''
  for (let k = 0; k < 100 && !said.includes('Parrot'); k++) ({ stdout: said } = await shell(await program.withPorts(looking), '.'))
  t.equal(said, 'Hello from curl\nParrot: Hello from curl!\n')
  t.match(await shell(`curl -s http://127.0.0.1:${await program.port(8080)}/x`, '.'), { stdout: 'Nothing here.\n' })
  t.same(await program.stop(), { code: 0, signal: null })
  t.match(program.output, /The parrot has left\.\n/)
})
