// Sends the file `less` of a folder, then `large`, and prints what was received of it and how much more memory the process has.
import { connect } from 'node:net'
import * as server from '../../../../lib/index.js'
import { files } from '../../../../lib/web/static/index.js'

const served = server.new({ port: 0, log_level: 'error' }, files(process.argv[2]))
const done = served.serve()
const { port } = await served.listening as { port: number }

async function receive(path: string): Promise<number> {
  return await new Promise((resolve, reject) => {
    let bytes = 0
    let head = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(`GET ${path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n`))
    socket.on('data', (data: Buffer) => {
      if (head === '') head = data.toString('latin1', 0, data.indexOf('\r\n\r\n') + 4)
      bytes += data.length
    })
    socket.on('end', () => resolve(bytes - head.length))
    socket.on('error', reject)
  })
}

await receive('/less')
const before = process.memoryUsage().rss
const received = await receive('/large')
const after = process.resourceUsage().maxRSS * 1024
await served.stop()
await done
console.log(JSON.stringify({ received, ratio: after / before }))
