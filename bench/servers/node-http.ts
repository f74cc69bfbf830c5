import http from 'node:http'
import https from 'node:https'
import { DEFAULT_CIPHERS } from 'node:tls'
import type { TaskName } from '../scenarios.js'
import { hello, orders, pemOf, report, seen } from './child.js'

const handlers: Record<TaskName, http.RequestListener> = {
  hello(_request, response) {
    seen.requests++
    response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': hello.length })
    response.end(hello)
  },
  headers(request, response) {
    seen.requests++
    const { url = '', headers } = request
    const at = url.indexOf('?')
    const text = `${url.slice(0, at)} ${url.slice(at + 1)}\n${headers['user-agent']}\n${headers['accept-language']}\n`
    response.writeHead(200, {
      'Content-Type': 'text/plain', 'Cache-Control': 'no-cache', 'Content-Length': Buffer.byteLength(text),
    })
    response.end(text)
  },
  echo(request, response) {
    seen.requests++
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)
      response.writeHead(200, { 'Content-Type': request.headers['content-type'], 'Content-Length': body.length })
      response.end(body)
    })
  },
}

// The cipher that Leveret prefers, so that it is the servers that are compared.
const cipher = 'TLS_AES_128_GCM_SHA256'
const ciphers = [cipher, ...DEFAULT_CIPHERS.split(':').filter((other) => other !== cipher)].join(':')

// As it comes: the defaults are what its documentation recommends (no Nagle delay, timeouts on).
const given = orders()
const pem = pemOf(given)
const handler = handlers[given.task]
const server = pem === null ? http.createServer(handler) : https.createServer({ ...pem, ciphers }, handler)
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object' && address !== null) report(address.port)
})
