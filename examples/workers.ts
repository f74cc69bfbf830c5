// All cores, and restarts without a lost request: node .build/examples/workers.js
//
//   curl http://127.0.0.1:8080/
//   curl http://127.0.0.1:8080/password?correct+horse
//
// Replace the workers one by one, as after an update, with the process that the log tells: kill -HUP PARENT
import { pbkdf2Sync } from 'node:crypto'
import { access, constants } from 'node:fs/promises'
import * as server from 'leveret'
import * as workers from 'leveret/workers'

const service = server.new({ port: Number(process.env['PORT'] ?? 8080) }, (_method, path, args) => {
  // A core is busy with this for a while; the other workers serve on.
  if (path === '/password') return `${pbkdf2Sync(args, 'salt', 200_000, 32, 'sha512').toString('hex')}\n`
  return `worker ${workers.number}, process ${process.pid}\n`
})

/** A worker that cannot do its work fails here, and does not take the place of one that can. */
async function check(): Promise<void> {
  await access('.', constants.R_OK)
}

if (workers.number === null) console.log('parent', process.pid)
await workers.run(() => service, { count: 2, ready: check, recycle: { memory: 1024 ** 3 } })
// Close here what the process holds.
