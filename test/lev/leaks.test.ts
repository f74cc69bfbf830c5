import { fileURLToPath } from 'node:url'
import t from 'tap'
import { inProcess } from '../support/in-process.js'

t.test('after a run nothing is left open, whatever it left behind, and the process ends by itself', async (t) => {
  const scenario = fileURLToPath(new URL('leaks-scenario.js', import.meta.url))
  const lines = inProcess([scenario]).split('\n').map((line) => line.trim()).filter((line) => line !== '')
  t.equal(lines.length, 7)
  for (const line of lines) t.match(line, /:$/)
})
