import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'

t.test('after a run nothing is left open, whatever it left behind, and the process ends by itself', async (t) => {
  const scenario = fileURLToPath(new URL('leaks-scenario.js', import.meta.url))
  const { stdout, stderr, status } = spawnSync(process.execPath, [scenario], { encoding: 'utf8', timeout: 30_000 })
  t.same({ stderr, status }, { stderr: '', status: 0 })
  const lines = stdout.split('\n').map((line) => line.trim()).filter((line) => line !== '')
  t.equal(lines.length, 7)
  for (const line of lines) t.match(line, /:$/)
})
