import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import net from 'node:net'
import tls from 'node:tls'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Config, Handler } from '../../../lib/index.js'
import { Certificates } from '../../tls/certificates.js'
import { curl } from '../../support/curl.js'
import { isInstalled, startProxy, type Proxy } from '../../support/proxies.js'
import { binaryHeader, tlv } from '../../support/proxy-header.js'
import { RawClient } from '../../support/raw-client.js'
import { eventually, request, serve } from '../../support/serving.js'
import { virtually, type World } from '../../support/virtual.js'
import type { VirtualClient } from '../../support/virtual.js'

const made = new Certificates()
t.teardown(() => made.remove())
const ca = made.issue({ names: ['Test CA'], ca: true })
const site = made.issue({ names: ['one.test'], by: ca })
const visitor = made.issue({ names: ['visitor'], by: ca, usage: 'clientAuth' })

/** Tells everything that the server knows of the client. */
const told: Handler = (_method, _query, _args, headers, _body, ctx) => [
  JSON.stringify({
    client: ctx.client_ip, peer: ctx.peer.ip, scheme: ctx.scheme, host: ctx.host,
    clientHeader: headers['x-client-ip'], realIp: headers['x-real-ip'], proxy: ctx.peer.proxyHeader,
  }),
  200, { 'content-type': 'application/json' },
]

const header = 'PROXY TCP4 198.51.100.7 192.0.2.1 40000 443\r\n'

/** HAProxy on a Unix socket, where the test itself begins with a header: it can be any client. */
function haproxy(name: string, server: string, bind = '', mode = 'tcp'): Proxy {
  return {
    name, program: 'haproxy',
    configuration: (path, folder, port) => `
defaults
  mode ${mode}
  timeout connect 60s
  timeout server 60s
  timeout client 60s
frontend front
  bind unix@${path} accept-proxy ${bind.replaceAll('FOLDER', folder)}
  ${mode === 'http' ? 'option forwardfor\n  http-request set-header X-Forwarded-Proto https\n  http-request set-header Forwarded %[src,lower,regsub(^,for=)];proto=https;host=outside.test' : ''}
  default_backend back
backend back
  server one 127.0.0.1:${port} ${server}
`,
  }
}

/** Only over TCP does it tell addresses. It has one for itself, so that its port is free. */
const nginxIp = `127.${process.pid >> 16 & 0x7f}.${process.pid >> 8 & 0xff}.${process.pid & 0xff}`
const nginxStream: Proxy = {
  name: 'nginx, stream', program: 'nginx',
  configuration: (path, folder, port) => `
    load_module /usr/lib/nginx/modules/ngx_stream_module.so;
    daemon off; master_process off; pid ${folder}/pid; error_log stderr crit;
    events { worker_connections 64; }
    stream { server { listen unix:${path}; listen ${nginxIp}:8000; proxy_pass 127.0.0.1:${port}; proxy_protocol on; } }`,
}

async function askThrough(path: string, first: string): Promise<Record<string, unknown>> {
  const client = await RawClient.connect(path, first + request('GET /'))
  const [{ body }] = await client.responses(1, ['GET'])
  client.close()
  try {
    return JSON.parse(body.toString()) as Record<string, unknown>
  } catch {
    throw new Error(body.toString())
  }
}

t.test('real proxies tell the client by a PROXY header', async (t) => {
  const { port, log } = await serve(t, { proxy_protocol: ['loopback'] }, told)
  const proxies: [proxy: Proxy, version: number][] = [
    [haproxy('HAProxy, version 1', 'send-proxy'), 1],
    [haproxy('HAProxy, version 2', 'send-proxy-v2'), 2],
    [haproxy('HAProxy, version 2 with extensions', 'send-proxy-v2 proxy-v2-options crc32c,unique-id,authority'), 2],
  ]
  for (const [proxy, version] of proxies.filter(([proxy]) => isInstalled(proxy))) {
    const path = await startProxy(t, proxy, port)
    t.match(await askThrough(path, header), {
      client: '198.51.100.7', peer: '127.0.0.1', scheme: 'http', clientHeader: '198.51.100.7', realIp: '198.51.100.7',
      proxy: { version, source: { ip: '198.51.100.7', port: 40000 } },
    }, proxy.name)
    t.match(await askThrough(path, 'PROXY TCP6 2001:db8::7 2001:db8::1 40000 443\r\n'), { client: '2001:db8::7' }, proxy.name)
  }
  if (isInstalled(nginxStream)) {
    const path = await startProxy(t, nginxStream, port)
    t.match(await askThrough(path, ''), { client: '127.0.0.1', proxy: { version: 1, source: null } }, 'nginx on a Unix socket')
    const socket = net.connect({ host: nginxIp, port: 8000, localAddress: '127.9.9.9' })
    const client = new RawClient(socket)
    client.send(request('GET /'))
    const [{ body }] = await client.responses(1, ['GET'])
    t.match(JSON.parse(body.toString()), { client: '127.9.9.9', peer: '127.0.0.1', proxy: { destination: { ip: nginxIp, port: 8000 } } }, 'nginx')
    client.close()
  }
  t.strictSame(log.of('warn'), [])
  t.notSame(log.of('access').length, 0)
  t.ok(log.of('access').every(({ client_ip }) => ['198.51.100.7', '2001:db8::7', '127.0.0.1', '127.9.9.9'].includes(String(client_ip))))
})

t.test('TLS that ended at the proxy', async (t) => {
  const proxy = haproxy(
    'HAProxy with TLS', 'send-proxy-v2-ssl-cn proxy-v2-options ssl,cert-cn,ssl-cipher,authority,crc32c',
    `ssl crt FOLDER/site.pem ca-file ${ca.cert} verify optional`,
  )
  if (!isInstalled(proxy)) {
    t.comment('no HAProxy here')
    return
  }
  const { port } = await serve(t, { proxy_protocol: ['loopback'] }, told)
  const writing: Proxy = {
    ...proxy,
    configuration(path, folder, port) {
      writeFileSync(join(folder, 'site.pem'), readFileSync(site.cert, 'utf8') + readFileSync(site.key, 'utf8'))
      return proxy.configuration(path, folder, port)
    },
  }
  const path = await startProxy(t, writing, port)
  const { socket } = await RawClient.connect(path, header)
  socket.removeAllListeners('data').pause()
  const secure = tls.connect({
    socket, servername: 'one.test', ca: readFileSync(ca.cert), cert: readFileSync(visitor.cert), key: readFileSync(visitor.key),
  })
  const client = new RawClient(secure)
  client.send(request('GET /'))
  const [{ body }] = await client.responses(1, ['GET'])
  t.match(JSON.parse(body.toString()), {
    client: '198.51.100.7', scheme: 'https',
    proxy: { version: 2, authority: 'one.test', tls: { version: /^TLSv1\.[23]$/, commonName: 'visitor', verified: true } },
  })
  secure.destroy()
})

t.test('curl sends a header of its own', async (t) => {
  const { port } = await serve(t, { proxy_protocol: ['loopback'] }, told)
  const { text } = await curl(['--haproxy-protocol', `http://127.0.0.1:${port}/`])
  t.match(JSON.parse(text), { client: '127.0.0.1', proxy: { version: 1, destination: { ip: '127.0.0.1', port } } })
})

t.test('TLS after the header, also in one piece with it', async (t) => {
  const { port } = await serve(t, { proxy_protocol: ['loopback'], ssl: { default: site } }, told)
  const { text, stderr } = await curl([
    '--haproxy-protocol', '--cacert', ca.cert, '--resolve', `one.test:${port}:127.0.0.1`, `https://one.test:${port}/`,
  ])
  t.match(JSON.parse(text || '{}'), { client: '127.0.0.1', scheme: 'https' }, stderr)
})

/** Sends `text` in pieces, and gives the response's status and content once the connection is over; none: "". */
function* outcome(world: World, text: string, piece = Infinity): lev.Op<string> {
  const client: VirtualClient = yield* world.connect()
  const bytes = Buffer.from(text, 'latin1')
  for (let at = 0; at < bytes.length; at += piece) {
    client.stream.put(bytes.subarray(at, at + piece))
    if (piece < bytes.length) yield* lev.sleep(0.01)
  }
  while (yield* client.more());
  client.stream.close()
  const match = /^HTTP\/1\.1 (\d+)[^]*?\r\n\r\n([^]*)$/.exec(client.text)
  return match === null ? client.text : `${match[1]} ${match[2].trim().replace('Bad Request: ', '')}`
}

t.test('who must send a header, and who must not', async (t) => {
  const asking = request('GET /', { Connection: 'close' })
  const binary = binaryHeader(0x21, 0x11, Buffer.concat([Buffer.from([198, 51, 100, 7, 192, 0, 2, 1, 0x9c, 0x40, 1, 0xbb]), tlv(2, 'a.test')])).toString('latin1')
  const local = binaryHeader(0x20, 0, Buffer.alloc(0)).toString('latin1')
  const handle: Handler = (_method, _query, _args, _headers, _body, ctx) => `${ctx.client_ip} of ${ctx.peer.ip}`
  const unlisted = '400 a PROXY header from a peer that is not in proxy_protocol'
  const table: [listed: string[], text: string, expected: string][] = [
    [['loopback'], header + asking, '200 198.51.100.7 of 127.0.0.1'],
    [['127.0.0.0/8'], binary + asking, '200 198.51.100.7 of 127.0.0.1'],
    [['loopback'], local + asking, '200 127.0.0.1 of 127.0.0.1'],
    [['loopback'], 'PROXY UNKNOWN\r\n' + asking, '200 127.0.0.1 of 127.0.0.1'],
    [['loopback'], asking, '400 no PROXY header: it does not begin like one'],
    [['loopback'], 'PROXY TCP4 1.2.3.4\r\n' + asking, '400 no PROXY header: its line does not have two addresses and two ports'],
    // A second one is no request.
    [['loopback'], header + header + asking, '400 malformed HTTP version'],
    [['10.0.0.0/8'], header + asking, unlisted],
    [['10.0.0.0/8'], binary + asking, unlisted],
    [['10.0.0.0/8'], asking, '200 127.0.0.1 of 127.0.0.1'],
    [['10.0.0.0/8'], request('PROPFIND /', { Connection: 'close' }), '200 127.0.0.1 of 127.0.0.1'],
  ]
  for (const [proxy_protocol, text, expected] of table) {
    for (const piece of [Infinity, 1]) {
      await virtually({ proxy_protocol }, handle, function* (world) {
        t.equal(yield* outcome(world, text, piece), expected, JSON.stringify([proxy_protocol, text.slice(0, 40), piece]))
        // A listed peer that sends something else is a mistake in a configuration; others may try what they want.
        const isMistake = expected.startsWith('400 no PROXY')
        t.equal(world.log.of('warn').length, isMistake ? 1 : 0)
      })
    }
  }
})

t.test('a peer that is silent, slow, or leaves', async (t) => {
  await virtually({ proxy_protocol: ['loopback'], request_header_timeout: 3 }, told, function* (world) {
    for (const [text, most] of [['', 3.2], ['PROXY TCP4 198', 3.2], [header, 6.4]] as const) {
      const began = lev.now()
      yield* outcome(world, text)
      t.ok(lev.now() - began <= most, `${text}: ${lev.now() - began}`)
    }
    // A check of a load balancer: it connects and leaves.
    const gone = yield* world.connect()
    gone.stream.close()
    const cut = yield* world.connect('PROXY TCP4 198')
    yield* cut.stream.end()
    while (yield* cut.more());
    t.match(cut.text, /^HTTP\/1\.1 400 [^]*it is cut off/)
    cut.stream.close()
    yield* lev.sleep(1)
    t.equal(world.log.of('warn').length, 1)
    t.strictSame(world.log.of('error'), [])
  })
})

const spoofed = { 'X-Forwarded-For': '203.0.113.66', 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'evil.test', 'X-Real-IP': '203.0.113.66', 'Forwarded': 'for=203.0.113.66;proto=https;host=evil.test' }

t.test('what a stranger claims is not believed', async (t) => {
  const configs: Config[] = [
    {}, { forwarded: 'forwarded' }, { trusted_proxies: ['10.0.0.0/8'] }, { trusted_proxies: ['10.0.0.0/8'], forwarded: 'forwarded' },
    { trusted_proxies: ['unix'] }, { proxy_protocol: ['10.0.0.0/8'] },
  ]
  for (const config of configs) {
    const { ask, log } = await serve(t, config, told)
    const { body } = await ask(request('GET /', spoofed))
    t.match(JSON.parse(body.toString()), {
      client: '127.0.0.1', peer: '127.0.0.1', scheme: 'http', host: 'test', clientHeader: '127.0.0.1', realIp: '127.0.0.1', proxy: null,
    }, JSON.stringify(config))
    await eventually(() => log.of('access').length === 1, 'an access line')
    t.match(log.of('access'), [{ client_ip: '127.0.0.1', vhost: 'test' }])
  }
})

t.test('what a trusted proxy tells is believed, of one family of fields', async (t) => {
  for (const forwarded of ['x-forwarded', 'forwarded'] as const) {
    const { ask, log } = await serve(t, { trusted_proxies: ['loopback'], forwarded }, told)
    const fields = { 'X-Forwarded-For': '198.51.100.7', 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'one.test' }
    const same = forwarded === 'x-forwarded' ? { ...fields, Forwarded: 'for=203.0.113.66' } : { Forwarded: 'for=198.51.100.7;proto=https;host=one.test', 'X-Forwarded-For': '203.0.113.66' }
    const { body } = await ask(request('GET /', same))
    t.match(JSON.parse(body.toString()), { client: '198.51.100.7', peer: '127.0.0.1', scheme: 'https', host: 'one.test', clientHeader: '198.51.100.7', realIp: '198.51.100.7' })
    await eventually(() => log.of('access').length === 1, 'an access line')
    t.match(log.of('access'), [{ client_ip: '198.51.100.7' }])
    // The next request on the connection may be another client's.
    const other = await ask(request('GET /', { 'X-Real-IP': '198.51.100.9' }))
    t.match(JSON.parse(other.body.toString()), { client: '127.0.0.1', realIp: '198.51.100.9' })
  }
})

t.test('each request of a connection has its own client', async (t) => {
  const { connect } = await serve(t, { trusted_proxies: ['loopback'] }, told)
  const client = await connect()
  const of = (ip: string): string => request('GET /', { 'X-Forwarded-For': ip })
  client.send(of('198.51.100.1') + request('GET /') + of('198.51.100.2'))
  const responses = await client.responses(3, ['GET', 'GET', 'GET'])
  t.strictSame(responses.map(({ body }) => (JSON.parse(body.toString()) as { client: string }).client), ['198.51.100.1', '127.0.0.1', '198.51.100.2'])
})

t.test('real proxies tell the client by header fields', async (t) => {
  const nginx: Proxy = {
    name: 'nginx', program: 'nginx',
    configuration: (path, folder, port) => `
      daemon off; master_process off; pid ${folder}/pid; error_log stderr crit;
      events { worker_connections 64; }
      http { access_log off; client_body_temp_path ${folder}/1; proxy_temp_path ${folder}/2; fastcgi_temp_path ${folder}/3; uwsgi_temp_path ${folder}/4; scgi_temp_path ${folder}/5;
        server { listen unix:${path} proxy_protocol; set_real_ip_from unix:; real_ip_header proxy_protocol;
          location / { proxy_pass http://127.0.0.1:${port}; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto https;
            proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; } } }`,
  }
  for (const proxy of [nginx, haproxy('HAProxy', '', '', 'http')].filter(isInstalled)) {
    for (const forwarded of proxy.program === 'haproxy' ? ['x-forwarded', 'forwarded'] as const : ['x-forwarded'] as const) {
      const { port } = await serve(t, { trusted_proxies: ['loopback'], forwarded }, told)
      const path = await startProxy(t, proxy, port)
      const client = await RawClient.connect(path, header + request('GET /', { 'X-Forwarded-For': '203.0.113.66' }))
      const [{ body }] = await client.responses(1, ['GET'])
      t.match(JSON.parse(body.toString()), { client: '198.51.100.7', scheme: 'https', host: forwarded === 'forwarded' ? 'outside.test' : 'test' }, `${proxy.name}, ${forwarded}`)
      client.close()
    }
  }
})

t.test('a WebSocket of a page behind a trusted proxy that ends TLS', async (t) => {
  const shake = (fields: Record<string, string>): string => request('GET /', {
    'Connection': 'Upgrade', 'Upgrade': 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', ...fields,
  })
  const upgrading: Handler = (_method, _query, _args, _headers, _body, ctx) => ctx.upgrade(function* () {})
  const status = async (config: Config, fields: Record<string, string>): Promise<string> => {
    const { connect } = await serve(t, config, upgrading)
    const client = await connect(shake(fields))
    return await client.until(() => /^HTTP\/1\.1 (\d+) [^]*\r\n\r\n/.exec(client.text)?.[1])
  }
  const trusting = { trusted_proxies: ['loopback'] }
  const outside = { 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'outside.test' }
  t.equal(await status(trusting, { ...outside, Origin: 'https://outside.test' }), '101')
  t.equal(await status(trusting, { ...outside, Origin: 'http://outside.test' }), '403', 'the page was not sent over TLS')
  t.equal(await status(trusting, { ...outside, Origin: 'https://test' }), '403')
  t.equal(await status({}, { ...outside, Origin: 'https://outside.test' }), '403', 'a stranger is not believed')
})
