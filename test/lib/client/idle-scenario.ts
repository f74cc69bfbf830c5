// Run by idle.test.ts in a process of its own, which must end while a connection of its client is idle.
import { readFileSync } from 'node:fs'
import * as lev from '../../../lev/index.js'
import { request } from '../../../lib/index.js'

const [url = '', ca = ''] = process.argv.slice(2)

/** A world that is never stopped: nothing is released by its end. */
const peer = (): Promise<string> => lev.portal().run(function* () {
  const response = yield* request({ url, ...(ca === '' ? {} : { tls: { ca: readFileSync(ca) } }) })
  return response.body.toString()
})

const first = await peer()
const second = await peer()
for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 1))
process.on('exit', () => console.log(JSON.stringify({ first, second })))
console.log(JSON.stringify(process.getActiveResourcesInfo().filter((each) => !/^(TTY|Pipe|File|Immediate|CloseReq)/.test(each))))
