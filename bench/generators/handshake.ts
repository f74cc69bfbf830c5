import tls from 'node:tls'
import { readResponses } from '../responses.js'
import { cipher } from '../cipher.js'
import { bytesToSend, orders, Tally } from './orders.js'

/** Connections over TLS, each with a whole new handshake and one request; the next one is made when it has its response. */

const told = orders()
const tally = new Tally(told)
const request = bytesToSend(told)
const context = tls.createSecureContext({ ciphers: cipher })

function connect(): void {
  // No session is given, so none is resumed.
  const socket = tls.connect({ port: told.port, host: '127.0.0.1', rejectUnauthorized: false, secureContext: context })
  let received = ''
  let responded = false
  socket.setEncoding('latin1')
  socket.setNoDelay(true)
  socket.write(request)
  socket.on('data', (data: string) => {
    received += data
    if (responded || readResponses(received).length === 0) return
    responded = true
    if (!received.startsWith('HTTP/1.1 200 ')) tally.fault(received.slice(0, 30))
    tally.add(1)
    socket.destroy()
    connect()
  })
  socket.on('error', (error) => {
    if (responded) return
    responded = true
    tally.fault(error.message)
    setTimeout(connect, 100)
  })
  socket.on('end', () => {
    if (responded) return
    responded = true
    tally.fault('the connection was closed')
    setTimeout(connect, 100)
  })
}

for (let index = 0; index < told.connections; index++) connect()
