import net from 'node:net'
import { readResponses } from '../responses.js'

/**
 * Keeps connections open that are idle after one request each. Told by its parent how many there are to be in all; tells it
 * when there are as many, and how many were closed by the server so far.
 */

const port = Number(process.argv[2])
const request = 'GET / HTTP/1.1\r\nHost: bench.test\r\n\r\n'
const held: net.Socket[] = []
let closed = 0

function hold(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1')
    let received = ''
    socket.on('data', (data) => {
      received += data.toString('latin1')
      if (readResponses(received).length > 0) resolve()
    })
    socket.on('error', reject)
    socket.on('close', () => closed++)
    socket.write(request)
    held.push(socket)
  })
}

async function holdAll(wanted: number): Promise<void> {
  // Not more at once than a server's backlog takes.
  while (held.length < wanted) await Promise.all(Array.from({ length: Math.min(100, wanted - held.length) }, hold))
}

process.on('message', (wanted: number) => {
  holdAll(wanted).then(() => process.send?.({ closed }), (error: unknown) => process.send?.({ failed: String(error) }))
})
process.on('disconnect', () => process.exit())
