import { given, gzipLevel, hello, piece, pieces, plain } from './given.js'

const { task, port, folder, pem, item, text, bytes } = given()

const textual = { headers: { 'content-type': plain } }
const closing = { headers: { 'content-type': plain, connection: 'close' } }
const zipped = { headers: { 'content-type': plain, 'content-encoding': 'gzip' } }

async function echo(request) {
  return new Response(await request.bytes(), { headers: { 'content-type': request.headers.get('content-type') } })
}

const handlers = {
  hello: () => new Response(hello, textual),
  // It closes such a connection, but says so only if it is told to.
  close: (request) => new Response(hello, request.headers.get('connection') === 'close' ? closing : textual),
  headers(request) {
    const { url, headers } = request
    const start = url.indexOf('/', 8)
    const at = url.indexOf('?')
    const lines = `${url.slice(start, at)} ${url.slice(at + 1)}\n${headers.get('user-agent')}\n${headers.get('accept-language')}\n`
    return new Response(lines, { headers: { 'content-type': plain, 'cache-control': 'no-cache' } })
  },
  json: () => Response.json(item, { headers: { 'content-type': 'application/json; charset=utf-8' } }),
  echo,
  mix: (request) => (request.method === 'GET' ? new Response(hello, textual) : echo(request)),
  gzip: () => new Response(Bun.gzipSync(text, { level: gzipLevel }), zipped),
  stream: () => new Response(new ReadableStream({
    type: 'direct',
    pull(controller) {
      for (let index = 0; index < pieces; index++) controller.write(piece(index))
      controller.close()
    },
  }), textual),
  download: () => new Response(bytes, { headers: { 'content-type': 'application/octet-stream' } }),
  file(request) {
    const { pathname } = new URL(request.url)
    const type = pathname.endsWith('.txt') ? plain : 'application/octet-stream'
    return new Response(Bun.file(folder + pathname), { headers: { 'content-type': type, 'cache-control': 'no-cache' } })
  },
  text: () => new Response(text, textual),
  async upload(request) {
    let size = 0
    for await (const chunk of request.body) size += chunk.length
    return new Response(`${size}\n`, textual)
  },
  websocket(request, server) {
    return server.upgrade(request) ? undefined : new Response('no WebSocket\n', { status: 426 })
  },
}

process.on('SIGUSR2', () => Bun.gc(true))
Bun.serve({
  port,
  hostname: '127.0.0.1',
  development: false,
  // Idle connections last as long as Bun lets them.
  idleTimeout: 255,
  fetch: handlers[task],
  ...(pem === null ? {} : { tls: pem }),
  ...(task !== 'websocket' ? {} : { websocket: { message: (socket, message) => void socket.send(message) } }),
})
