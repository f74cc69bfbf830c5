import { createReadStream, readFileSync, stat } from 'node:fs'
import http, { type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http'
import https from 'node:https'
import { join } from 'node:path'
import zlib from 'node:zlib'
import { gzipLevel, isFetchTask, piece, pieces, type HandlerTask } from '../tasks.js'
import { collectOnSignal, content, given, hello } from './given.js'

const text = 'text/plain; charset=utf-8'

const told = given()
const { folder } = told
const { item, text: long, bytes } = content(told)

function send(response: ServerResponse, body: string | Buffer, type: string | undefined, headers: OutgoingHttpHeaders = {}): void {
  response.writeHead(200, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body), ...headers })
  response.end(body)
}

function echo(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    send(response, chunks.length === 1 ? chunks[0] : Buffer.concat(chunks), request.headers['content-type'])
  })
}

const handlers: Record<Exclude<HandlerTask, 'websocket'>, http.RequestListener> = {
  hello: (_request, response) => send(response, hello, text),
  headers(request, response) {
    const { url = '', headers } = request
    const at = url.indexOf('?')
    const lines = `${url.slice(0, at)} ${url.slice(at + 1)}\n${headers['user-agent']}\n${headers['accept-language']}\n`
    send(response, lines, text, { 'Cache-Control': 'no-cache' })
  },
  json: (_request, response) => send(response, JSON.stringify(item), 'application/json; charset=utf-8'),
  close: (_request, response) => send(response, hello, text),
  echo,
  mix: (request, response) => (request.method === 'GET' ? send(response, hello, text) : echo(request, response)),
  gzip(_request, response) {
    zlib.gzip(long, { level: gzipLevel }, (error, packed) => {
      if (error !== null) throw error
      send(response, packed, text, { 'Content-Encoding': 'gzip', 'Vary': 'Accept-Encoding' })
    })
  },
  text: (_request, response) => send(response, long, text),
  stream(_request, response) {
    response.writeHead(200, { 'Content-Type': text })
    for (let index = 0; index < pieces; index++) response.write(piece(index))
    response.end()
  },
  download: (_request, response) => send(response, bytes, 'application/octet-stream'),
  file({ url = '' }, response) {
    const path = join(folder, url)
    stat(path, (error, found) => {
      if (error !== null) throw error
      response.writeHead(200, {
        'Content-Type': url.endsWith('.txt') ? text : 'application/octet-stream',
        'Content-Length': found.size,
        'Last-Modified': found.mtime.toUTCString(),
        'Cache-Control': 'no-cache',
      })
      createReadStream(path).pipe(response)
    })
  },
  upload(request, response) {
    let size = 0
    request.on('data', (chunk: Buffer) => (size += chunk.length))
    request.on('end', () => send(response, `${size}\n`, text))
  },
}

// As it comes: the defaults are what its documentation recommends (no Nagle delay, timeouts on). But idle connections
// have to last as long as the benchmark needs them.
const options = { keepAliveTimeout: 3600_000 }
const { task, port, pem } = told
if (task === 'websocket' || task === 'todo' || isFetchTask(task)) throw new Error(`node:http has no ${task}`)
const server = pem === null
  ? http.createServer(options, handlers[task])
  : https.createServer({ ...options, cert: readFileSync(pem.cert), key: readFileSync(pem.key) }, handlers[task])
collectOnSignal()
server.listen(port, '127.0.0.1')
