import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, utimesSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { file, files, type FilesOptions } from '../../../../lib/web/static/index.js'
import { valueOf, type WireResponse } from '../../../support/responses.js'
import { request, serve } from '../../../support/serving.js'
import { write } from './folder.js'

/** What a folder serves: `get(path)`, or `get('HEAD /path', headers)`. */
async function serving(t: Test, root: string, options: FilesOptions = {}): Promise<(line: string, headers?: Record<string, string>) => Promise<WireResponse>> {
  const { ask } = await serve(t, { log_level: 'error' }, files(root, options))
  return async (line, headers) => await ask(request(line.startsWith('/') ? `GET ${line}` : line, headers))
}

const text = ({ status, body }: WireResponse): string => `${status} ${body.toString()}`

t.test('a file, its headers, and HEAD', async (t) => {
  const root = t.testdir()
  write(root, { 'a.html': '<p>', 'b.bin': 'xx', 'é ü.txt': 'é', 'empty.css': '', 'c.svg': '<svg/>' })
  for (const options of [{}, { cache_size: 0 }]) {
    const get = await serving(t, root, options)
    const html = await get('/a.html')
    t.equal(text(html), '200 <p>')
    t.strictSame(['content-type', 'last-modified', 'accept-ranges', 'content-length', 'vary', 'cache-control'].map((name) => valueOf(html, name)),
      ['text/html; charset=utf-8', 'Wed, 01 Jan 2020 00:00:00 GMT', 'bytes', '3', undefined, undefined])
    t.match(valueOf(html, 'etag'), /^"[0-9a-f]+-3"$/)
    const head = await get('HEAD /a.html')
    t.strictSame(head.fields.filter(([name]) => name !== 'date'), html.fields.filter(([name]) => name !== 'date'))
    t.equal(text(head), '200 ')
    t.equal(valueOf(await get('/b.bin'), 'content-type'), 'application/octet-stream')
    t.equal(valueOf(await get('/c.svg'), 'content-type'), 'image/svg+xml')
    t.equal(text(await get('/%C3%A9%20%C3%BC.txt')), '200 é')
    t.equal(text(await get('/empty.css')), '200 ')
    t.equal(valueOf(await get('HEAD /empty.css'), 'content-length'), '0')
    t.equal(text(await get('/none')), '404 Not Found\n')
    t.equal(text(await get('/a.html/')), '404 Not Found\n')
    t.equal(text(await get('/a.html/b')), '404 Not Found\n')
    t.equal((await get(`/${'n'.repeat(300)}`)).status, 404, 'a name longer than any')
  }
})

t.test('other methods', async (t) => {
  const root = t.testdir({ a: 'a' })
  const get = await serving(t, root)
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PROPFIND']) {
    const response = await get(`${method} /a`)
    t.equal(response.status, 405, method)
    t.equal(valueOf(response, 'allow'), 'GET, HEAD')
  }
  t.equal((await get('OPTIONS *')).status, 405)
})

t.test('what a cached representation is told', async (t) => {
  const root = t.testdir()
  write(root, { 'a.html': 'a', 'big.html': 'a'.repeat(10_000) })
  const get = await serving(t, root, { headers: { 'Cache-Control': 'no-cache', 'X-One': '1' } })
  const etag = valueOf(await get('/a.html'), 'etag') ?? ''
  const response = await get('/a.html', { 'If-None-Match': etag })
  t.equal(response.status, 304)
  t.strictSame(['etag', 'last-modified', 'cache-control', 'x-one', 'content-type', 'accept-ranges'].map((name) => valueOf(response, name)),
    [etag, 'Wed, 01 Jan 2020 00:00:00 GMT', 'no-cache', '1', undefined, undefined])
  const packed = await get('/big.html', { 'Accept-Encoding': 'gzip' })
  t.equal(valueOf(packed, 'content-encoding'), 'gzip', 'the server compresses')
  const weak = valueOf(packed, 'etag') ?? ''
  t.ok(weak.startsWith('W/'))
  const again = await get('/big.html', { 'Accept-Encoding': 'gzip', 'If-None-Match': weak })
  t.strictSame([again.status, valueOf(again, 'etag'), valueOf(again, 'vary')], [304, weak, 'Accept-Encoding'])
})

t.test('a file that was just changed has a weak tag: it may change again within the same second', async (t) => {
  const root = t.testdir({ a: 'a' })
  const get = await serving(t, root)
  const future = Date.now() / 1000 + 3600
  utimesSync(`${root}/a`, future, future)
  const response = await get('/a')
  t.match(valueOf(response, 'etag'), /^W\//)
  t.ok(Date.parse(valueOf(response, 'last-modified') ?? '') <= Date.parse(valueOf(response, 'date') ?? ''), 'Last-Modified is not in the future')
  t.equal((await get('/a', { 'If-None-Match': valueOf(response, 'etag') ?? '' })).status, 304)
  t.equal((await get('/a', { 'Range': 'bytes=0-0', 'If-Range': valueOf(response, 'last-modified') ?? '' })).status, 200)
})

t.test('folders', async (t) => {
  const root = t.testdir()
  write(root, { 'index.html': 'top', 'docs/index.html': 'docs', 'a:b/home.html': 'home', 'docs/index.html.d/x': 'x' })
  mkdirSync(`${root}/odd/index.html`, { recursive: true })
  const get = await serving(t, root)
  t.equal(text(await get('/')), '200 top')
  t.equal(text(await get('/docs/')), '200 docs')
  t.equal((await get('/a:b/')).status, 404, 'no list of its files')
  t.equal((await get('/odd/')).status, 404, 'an index that is a folder')
  const table = [['/docs', '/docs/'], ['/docs?a=//b', '/docs/?a=//b'], ['/a:b', '/a:b/'], ['/%64ocs', '/%64ocs/'], ['/docs/index.html.d', '/docs/index.html.d/']]
  for (const [from, to] of table) {
    const response = await get(from)
    t.equal(response.status, 301)
    t.equal(new URL(valueOf(response, 'location') ?? '', `http://test${from}`).href, `http://test${to}`, from)
    // As behind a proxy that takes a prefix away.
    t.equal(new URL(valueOf(response, 'location') ?? '', `http://test/prefix${from}`).href, `http://test/prefix${to}`, from)
  }
  for (const path of ['//docs', '//test/docs', '/\\docs', '/%5Cdocs', '/%2Fdocs', '//docs/..', '/docs/%2e%2e/docs']) {
    t.equal(valueOf(await get(path), 'location'), undefined, path)
  }
  t.equal(text(await (await serving(t, root, { index: 'home.html' }))('/a:b/')), '200 home')
})

t.test('an application of a single page', async (t) => {
  const root = t.testdir()
  write(root, { 'app.html': 'app', 'a.js': 'js' })
  mkdirSync(`${root}/folder`)
  const get = await serving(t, root, { fallback: '/app.html' })
  for (const path of ['/', '/users/7', '/users/7/', '/a.b/c', '/folder/']) t.equal(text(await get(path)), '200 app', path)
  for (const path of ['/b.js', '/users/x.png', '/../x', '/.env', '//x']) t.equal((await get(path)).status, 404, path)
  t.equal(text(await get('/a.js')), '200 js')
})

t.test('nothing outside of the folder, and nothing that is no file', async (t) => {
  // A short path, for the socket.
  const outside = realpathSync(mkdtempSync(join(tmpdir(), 'leveret-')))
  t.teardown(() => rmSync(outside, { recursive: true }))
  write(outside, { 'root/inside/a.txt': 'a', 'root/.env': 'secret', 'root/.well-known/x': 'x', 'root2/b.txt': 'b', 'secret.txt': 'secret' })
  const root = `${outside}/root`
  symlinkSync('../secret.txt', `${root}/link.txt`)
  symlinkSync(outside, `${root}/up`)
  symlinkSync('/etc', `${root}/etc`)
  symlinkSync('../root2', `${root}/neighbour`)
  symlinkSync('inside', `${root}/within`)
  symlinkSync('inside/a.txt', `${root}/b.txt`)
  symlinkSync('loop', `${root}/loop`)
  symlinkSync('nowhere', `${root}/dangling`)
  symlinkSync('/dev/zero', `${root}/zero`)
  if (process.platform !== 'win32') execFileSync('mkfifo', [`${root}/fifo`])
  const socket = createServer().listen(`${root}/socket`)
  t.teardown(() => socket.close())
  const get = await serving(t, root)
  for (const path of [
    '/link.txt', '/up/secret.txt', '/up', '/up/', '/etc/passwd', '/etc', '/neighbour/b.txt', '/loop', '/dangling', '/zero', '/fifo', '/socket',
    '/../secret.txt', '/%2e%2e/secret.txt', '/..%2fsecret.txt', '/inside/../../secret.txt', '/inside/%2e%2e/%2e%2e/secret.txt', '/..%5csecret.txt',
    '/inside/a.txt%00', '/inside/a.txt%00.html', '/inside//a.txt', '/./inside/a.txt', '/%2fetc/passwd', '//etc/passwd', '/.env', '/%2eenv', `/..${root}/inside/a.txt`,
  ]) {
    t.equal(text(await get(path)), '404 Not Found\n', path)
    t.equal((await get(`HEAD ${path}`)).status, 404, `HEAD ${path}`)
  }
  t.equal(text(await get('/within/a.txt')), '200 a', 'a link that stays inside')
  t.equal(text(await get('/b.txt')), '200 a')
  t.equal(text(await get('/.well-known/x')), '200 x')
  t.equal(text(await (await serving(t, root, { dot_files: true }))('/.env')), '200 secret')
  const linked = await serving(t, `${root}/within`)
  t.equal(text(await linked('/a.txt')), '200 a', 'the root itself may be a link')
})

t.test('a file that may not be read', { skip: process.getuid?.() === 0 ? 'root may read all files' : false }, async (t) => {
  const root = t.testdir({ a: 'a' })
  chmodSync(`${root}/a`, 0)
  t.equal((await (await serving(t, root))('/a')).status, 403)
})

t.test('files that were compressed beforehand', async (t) => {
  const root = t.testdir()
  // The last is a frame of Zstandard with one block, as it is.
  const coded = { gzip: gzipSync('gzip'), br: brotliCompressSync('br'), zstd: Buffer.from('28b52ffd20042100007a737464', 'hex') }
  write(root, { 'a.js': 'plain', 'a.js.gz': coded.gzip, 'a.js.br': coded.br, 'a.js.zst': coded.zstd, 'b.js': 'only gzip', 'b.js.gz': coded.gzip, 'c.png': 'png', 'd.gz': 'd' })
  mkdirSync(`${root}/c.png.gz`)
  mkdirSync(`${root}/d`)
  for (const options of [{ precompressed: true }, { precompressed: true, cache_size: 0 }]) {
    const get = await serving(t, root, options)
    const table: [path: string, acceptEncoding: string | null, coding: keyof typeof coded | null, plain?: string][] = [
      ['/a.js', null, null, 'plain'], ['/a.js', 'gzip', 'gzip'], ['/a.js', 'gzip, br', 'br'], ['/a.js', 'gzip, br, zstd', 'br'], ['/a.js', 'gzip, zstd', 'zstd'],
      ['/a.js', 'br;q=0.5, gzip', 'gzip'], ['/a.js', 'identity', null, 'plain'], ['/a.js', 'gzip;q=0', null, 'plain'], ['/a.js', '*', 'br'],
      ['/a.js', 'x-gzip', 'gzip'], ['/b.js', 'br, gzip;q=0.1', 'gzip'], ['/b.js', 'br', null, 'only gzip'], ['/c.png', 'gzip', null, 'png'],
    ]
    const tags = new Set<string>()
    for (const [path, acceptEncoding, coding, plain = ''] of table) {
      const headers = acceptEncoding === null ? undefined : { 'Accept-Encoding': acceptEncoding }
      for (let time = 0; time < 2; time++) {
        const response = await get(path, headers)
        t.strictSame(response.body, coding === null ? Buffer.from(plain) : coded[coding], `${path} ${acceptEncoding}`)
        t.equal(valueOf(response, 'content-encoding'), coding ?? undefined)
        t.equal(valueOf(response, 'vary'), 'Accept-Encoding')
        if (path === '/a.js') tags.add(valueOf(response, 'etag') ?? '')
        if (path !== '/c.png') t.equal(valueOf(response, 'content-type'), 'text/javascript; charset=utf-8')
      }
    }
    t.equal(tags.size, 4, 'each has an entity-tag of its own')
    t.equal((await get('/d', { 'Accept-Encoding': 'gzip' })).status, 301, 'a folder stays one')
    const part = await get('/a.js', { 'Accept-Encoding': 'gzip', 'Range': 'bytes=5-8' })
    t.strictSame([part.status, part.body, valueOf(part, 'content-encoding')], [206, coded.gzip.subarray(5, 9), 'gzip'])
  }
  const get = await serving(t, root)
  const response = await get('/a.js', { 'Accept-Encoding': 'gzip' })
  t.strictSame([text(response), valueOf(response, 'vary')], ['200 plain', undefined], 'off by default')
  const vary = await serving(t, root, { precompressed: true, headers: { vary: 'Origin' } })
  t.equal(valueOf(await vary('/a.js'), 'vary'), 'Origin, Accept-Encoding')
})

t.test('files that never change', async (t) => {
  const root = t.testdir()
  write(root, { 'assets/a-3f2a.js': 'a', 'index.html': 'i' })
  const get = await serving(t, root, { immutable: /^\/assets\//g, headers: { 'cache-control': 'no-cache', 'X-Content-Type-Options': 'nosniff' } })
  for (let time = 0; time < 3; time++) {
    const response = await get('/assets/a-3f2a.js')
    t.equal(valueOf(response, 'cache-control'), 'public, max-age=31536000, immutable')
    t.equal(valueOf(response, 'x-content-type-options'), 'nosniff')
    t.equal(valueOf(await get('/'), 'cache-control'), 'no-cache')
  }
})

t.test('file, in handlers of two kinds', async (t) => {
  const root = t.testdir()
  write(root, { 'report.html': '0123456789' })
  const path = `${root}/report.html`
  const { ask } = await serve(t, { log_level: 'error' }, function* (method, query, _args, headers) {
    if (query === '/none') return yield* file(`${root}/none`, { method, headers })
    if (query === '/folder') return yield* file(root, { method, headers })
    return yield* file(pathToFileURL(path), { method, headers }, { 'Content-Disposition': 'attachment' })
  })
  const whole = await ask(request('GET /'))
  t.strictSame([text(whole), valueOf(whole, 'content-disposition'), valueOf(whole, 'content-type')], ['200 0123456789', 'attachment', 'text/html; charset=utf-8'])
  t.equal(text(await ask(request('GET /', { Range: 'bytes=-3' }))), '206 789')
  t.equal(text(await ask(request('GET /', { 'If-None-Match': '*' }))), '304 ')
  t.equal(text(await ask(request('POST /', { 'If-None-Match': '*', 'Range': 'bytes=-3' }, 'x'))), '200 0123456789', 'conditions are for GET and HEAD')
  t.equal((await ask(request('GET /none'))).status, 404)
  t.equal((await ask(request('GET /folder'))).status, 404)
  const other = await serve(t, { log_level: 'error' }, async (method, _query, _args, headers) => file(path, { method, headers }))
  t.equal(text(await other.ask(request('GET /'))), '200 0123456789')
})

t.test('invalid arguments', async (t) => {
  const root = t.testdir({ a: 'a' })
  const fails = (call: () => unknown, argument: string): void => {
    t.throws(call, { code: 'LEVERET_ARGUMENT', argument })
  }
  fails(() => files(`${root}/none`), 'root')
  fails(() => files(`${root}/a`), 'root')
  fails(() => files(''), 'root')
  fails(() => files(new URL('http://test/')), 'root')
  const options = {
    index: ['', 'a/b', '..', 1], fallback: ['a.html', '/', '/a/', '/../a', 1], dot_files: [1], precompressed: ['yes'], immutable: ['/assets/'], headers: [[], 'x', new Map()],
    cache_size: [-1, 1.5, Infinity], cache_file_size: [-1, '1'],
  }
  for (const [name, values] of Object.entries(options)) for (const value of values) fails(() => files(root, { [name]: value }), name)
  fails(() => files(root, { indexes: 'a' } as FilesOptions), 'indexes')
  rmSync(`${root}/a`)
  const { ask } = await serve(t, { log_level: 'error' }, files(root))
  rmSync(root, { recursive: true })
  t.equal((await ask(request('GET /a'))).status, 404, 'a root that is gone')
})
