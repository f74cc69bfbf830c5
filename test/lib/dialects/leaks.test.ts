import { fileURLToPath } from 'node:url'
import t from 'tap'
import { inProcess } from '../../support/in-process.js'

t.test('however Lune\'s and Zune\'s functions are used, no socket, no timer and no task is left, and the process ends', async (t) => {
  const scenario = fileURLToPath(new URL('leaks-scenario.js', import.meta.url))
  const lines = inProcess([scenario]).trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>)
  t.equal(lines.length, 16)
  for (const { name, ...rest } of lines) t.same(rest, { ended: 'well', left: [], tasks: 0 }, String(name))
})
