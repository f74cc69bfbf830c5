import { fileURLToPath } from 'node:url'
import t from 'tap'
import { inProcess } from '../../support/in-process.js'

interface Line {
  readonly name: string
  readonly ended: string
  readonly left: string[]
  readonly tasks: number
  readonly connections: number
}

const errors: readonly [RegExp, string][] = [
  [/^(request: (an error|a response|TLS$)|websocket: (left|closed|the server|over TLS|reset$)|tcp: closed)/, 'well'],
  [/bad argument/, 'LEVERET_ARGUMENT'],
  [/timeout|where there is none/, 'LEV_TIMEOUT'],
  [/cancelled/, 'LEV_CANCELLED'],
  [/^websocket: another response/, 'LEVERET_UPGRADE'],
  [/^tcp: refused/, 'LEV_ADDRESS'],
  [/^tcp: TLS/, 'LEV_HANDSHAKE'],
  [/^(request|websocket)/, 'LEVERET_REQUEST'],
]

t.test('however a client\'s call ends, no socket, no timer, no task and no connection is left, and the process ends', async (t) => {
  const scenario = fileURLToPath(new URL('leaks-scenario.js', import.meta.url))
  const lines = inProcess([scenario]).trim().split('\n').map((line) => JSON.parse(line) as Line)
  t.ok(lines.length >= 45)
  for (const { name, ended, left, tasks, connections } of lines) {
    t.same({ left, tasks, connections }, { left: [], tasks: 0, connections: 0 }, name)
    t.equal(ended, errors.find(([pattern]) => pattern.test(name))?.[1], `${name}: how it ends`)
  }
})
