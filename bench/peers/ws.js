import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'
import { given } from './given.js'

const { port } = given()

const server = createServer()
new WebSocketServer({ server }).on('connection', (socket) => {
  socket.on('error', console.error)
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
})
server.listen(port, '127.0.0.1')
