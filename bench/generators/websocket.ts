import net from 'node:net'
import { accept, handshake } from '../frames.js'
import { bytesToSend, orders, Tally } from './orders.js'

/** WebSockets that send a message whenever one has come back, `depth` of them under way on each. */

const told = orders()
const tally = new Tally(told)
const frame = bytesToSend(told)
const batch = Buffer.concat(Array<Buffer>(told.depth).fill(frame))
// All connections read into it, one after another: what is in it matters only until the next one reads.
const buffer = Buffer.allocUnsafe(2 ** 18)

function connect(): void {
  let head = ''
  let upgraded = false
  let received = 0
  const socket = net.connect({
    port: told.port,
    host: '127.0.0.1',
    onread: {
      buffer,
      callback(length) {
        received += length
        if (!upgraded) {
          head += buffer.toString('latin1', 0, length)
          const end = head.indexOf('\r\n\r\n')
          if (end < 0) return true
          if (!head.startsWith('HTTP/1.1 101 ') || !head.includes(accept)) tally.fault('the handshake was refused')
          upgraded = true
          received = head.length - end - 4
          socket.write(batch)
        }
        const whole = Math.floor(received / told.responseSize)
        if (whole === 0) return true
        received -= whole * told.responseSize
        tally.add(whole)
        socket.write(whole === told.depth ? batch : batch.subarray(0, whole * frame.length))
        return true
      },
    },
  })
  socket.setNoDelay(true)
  socket.on('error', (error) => tally.fault(error.message))
  socket.on('end', () => tally.fault('the connection was closed'))
  socket.write(handshake)
}

for (let index = 0; index < told.connections; index++) connect()
