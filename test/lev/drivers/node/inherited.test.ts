import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { connect, createServer, type ListenOptions, type NetConnectOpts, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const scenario = fileURLToPath(new URL('inherited-scenario.js', import.meta.url))

async function listening(options: ListenOptions): Promise<Server> {
  const server = createServer().listen(options)
  await once(server, 'listening')
  return server
}

/** Node has no documented way to get the file descriptor of a server. */
function descriptorOf(server: Server): number {
  const handle: unknown = Reflect.get(server, '_handle')
  if (typeof handle !== 'object' || handle === null || !('fd' in handle)) throw new Error('no file descriptor')
  return Number(handle.fd)
}

/** Hands the listening socket to another process; connects to it there. Returns what that process printed, and its response. */
async function inherited(server: Server, where: NetConnectOpts, before = (): void => {}): Promise<{ addresses: unknown; response: string }> {
  const child = spawn(process.execPath, [scenario], { stdio: ['ignore', 'pipe', 'inherit', descriptorOf(server)] })
  t.teardown(() => child.kill())
  if (child.stdout === null) throw new Error('no output')
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  await lines.next()
  before()
  server.close()
  const socket = connect(where)
  socket.write('this')
  const response = await text(socket)
  const { value } = await lines.next() as { value: string }
  await once(child, 'close')
  return { addresses: JSON.parse(value), response }
}

t.test('an inherited TCP listener has the address that it was bound to', async (t) => {
  const server = await listening({ host: '127.0.0.1', port: 0 })
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new Error('no port')
  const { addresses, response } = await inherited(server, { host: '127.0.0.1', port: bound.port })
  const address = { ip: '127.0.0.1', port: bound.port }
  t.equal(response, 'got this')
  t.match(addresses, { bound: address, local: address, remote: { ip: '127.0.0.1' } })
})

t.test('an inherited Unix socket works, though its path is unknown', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'leveret-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'one.sock')
  const moved = join(folder, 'moved.sock')
  // This process removes the path when it closes its own end.
  const { addresses, response } = await inherited(await listening({ path }), { path: moved }, () => renameSync(path, moved))
  const unnamed = { ip: '', port: 0, path: '' }
  t.equal(response, 'got this')
  t.strictSame(addresses, { bound: unnamed, local: unnamed, remote: unnamed })
})
