import compress from '@fastify/compress'
import files from '@fastify/static'
import Fastify from 'fastify'
import { Readable } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { given, gzipLevel, hello, piece, pieces, plain } from './given.js'

const { task, port, folder, pem, item, text, bytes } = given()

const app = Fastify({
  logger: false,
  keepAliveTimeout: 3600_000,
  bodyLimit: 64 * 2 ** 20,
  ...(pem === null ? {} : { https: pem }),
})

if (task === 'upload') {
  app.addContentTypeParser('*', (request, payload, done) => done(null, payload))
} else {
  app.addContentTypeParser('text/plain', { parseAs: 'buffer' }, (request, body, done) => done(null, body))
}

function * lines() {
  for (let index = 0; index < pieces; index++) yield piece(index)
}

const echo = (request, reply) => reply.type(request.headers['content-type']).send(request.body)

const handlers = {
  hello: (request, reply) => reply.type(plain).send(hello),
  headers(request, reply) {
    const { url, headers } = request
    const at = url.indexOf('?')
    reply.type(plain).header('cache-control', 'no-cache')
      .send(`${url.slice(0, at)} ${url.slice(at + 1)}\n${headers['user-agent']}\n${headers['accept-language']}\n`)
  },
  json: (request, reply) => reply.send(item),
  close: (request, reply) => reply.type(plain).send(hello),
  echo,
  gzip: (request, reply) => reply.type(plain).send(text),
  stream: (request, reply) => reply.type(plain).send(Readable.from(lines())),
  download: (request, reply) => reply.type('application/octet-stream').send(bytes),
  text: (request, reply) => reply.type(plain).send(text),
  upload(request, reply) {
    let size = 0
    request.body.on('data', (chunk) => (size += chunk.length))
    request.body.on('end', () => reply.type(plain).send(`${size}\n`))
  },
}

if (task === 'gzip') await app.register(compress, { encodings: ['gzip'], zlibOptions: { level: gzipLevel } })
if (task === 'file') {
  await app.register(files, { root: folder, cacheControl: false, setHeaders: (reply) => reply.header('Cache-Control', 'no-cache') })
} else if (task === 'mix') {
  app.get('/', handlers.hello)
  app.post('/echo', echo)
} else {
  for (const path of ['/', '/page', '/echo']) app.route({ method: ['GET', 'POST'], url: path, handler: handlers[task] })
}

process.on('SIGUSR2', () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  for (let round = 0; round < 3; round++) collect()
})
await app.listen({ port, host: '127.0.0.1' })
