import { readFileSync } from 'node:fs'
import t from 'tap'
import { WebSocket } from 'undici'
import { built, curlLines, Program, shell } from './program.js'

t.test('lute', async (t) => {
  const program = new Program(built('examples/lute.js'), { cwd: t.testdir() })
  t.teardown(() => program.kill())
  const port = await program.port(8080)
  const reader = new WebSocket(`ws://127.0.0.1:${port}/`)
  const told = new Promise<unknown>((resolve) => reader.addEventListener('message', ({ data }: { data: unknown }) => resolve(data)))
  await new Promise((resolve) => reader.addEventListener('open', resolve))
  t.strictSame(await responses(program, 'lute'), ['entry 1\n', 'Hello from curl\n'])
  t.equal(await told, 'Hello from curl')
  t.equal((await shell(`curl -s http://127.0.0.1:${port}/x`, '.')).stdout, 'Nothing here.\n')
  reader.close()
  t.same(await program.stop(), { code: 0, signal: null })
})

t.test('nodemcu', async (t) => {
  const program = new Program(built('examples/nodemcu.js'), { cwd: t.testdir() })
  t.teardown(() => program.kill())
  t.strictSame(await responses(program, 'nodemcu'), ['3 words\n', 'ready\nsteady\ngo\n'])
  const port = await program.port(8080)
  t.equal((await shell(`curl -s -F a=b http://127.0.0.1:${port}/`, '.')).stdout, 'text only\n')
  t.same(await program.stop(), { code: 0, signal: null })
})

/** What the commands at the top of an example print. */
async function responses(program: Program, name: string): Promise<string[]> {
  const found: string[] = []
  for (const line of curlLines(readFileSync(built(`../examples/${name}.ts`), 'utf8'))) {
    found.push((await shell(await program.withPorts(line), '.')).stdout)
  }
  return found
}
