import { spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { developmentIdentities } from '../../../tls/index.js'
import { serve } from '../../support/serving.js'

/** Runs the scenario to its end, while this process serves it. */
async function outcome(args: readonly string[]): Promise<unknown[]> {
  const scenario = fileURLToPath(new URL('idle-scenario.js', import.meta.url))
  const child = spawn(process.execPath, [scenario, ...args], { env: { ...process.env, NODE_OPTIONS: '' }, stdio: ['ignore', 'pipe', 'inherit'] })
  let printed = ''
  child.stdout.on('data', (bytes: Buffer) => (printed += bytes.toString()))
  await new Promise((resolve) => child.once('close', resolve))
  return printed.trim().split('\n').map((line) => JSON.parse(line) as unknown)
}

t.test('an idle connection is used again by the world that all code outside of coroutines shares, and does not keep the process', async (t) => {
  const made = developmentIdentities(mkdtempSync(join(tmpdir(), 'leveret-')), ['localhost'], Date.now() / 1000)
  for (const secure of [false, true]) {
    // Its last request would keep the connection for another minute.
    const { port } = await serve(t, { keepalive_idle_timeout: 100, ...(secure ? { ssl: made.ssl } : {}) }, (_method, _query, _args, _headers, _body, ctx) => {
      return [String(ctx.client.remote.port), 200, { 'Keep-Alive': 'timeout=100' }]
    })
    const [active, peers] = await outcome([`http${secure ? 's' : ''}://localhost:${port}/`, ...(secure ? [made.ca] : [])]) as [string[], { first: string; second: string }]
    t.same(active, [], 'nothing keeps the process')
    t.equal(peers.first, peers.second, 'one connection')
  }
})
