// Files as nginx serves them: every precondition with every other and with ranges. Where Leveret differs, the table says why.
import { utimesSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { files } from '../../../../lib/web/static/index.js'
import { isInstalled, startProxy, type Proxy } from '../../../support/proxies.js'
import { RawClient } from '../../../support/raw-client.js'
import { valueOf, type WireResponse } from '../../../support/responses.js'
import { serve } from '../../../support/serving.js'

const modified = Date.UTC(2020, 0, 1) / 1000
const at = (seconds: number): string => new Date((modified + seconds) * 1000).toUTCString()
const content = Buffer.from(Array.from({ length: 1000 }, (_, byte) => byte % 251))

/** Header values; TAG is the server's own entity-tag. */
const dates = [null, at(-1), at(0), at(1), 'yesterday']
const ifMatch = [null, 'TAG', '"other"', '*', 'W/TAG', '"other", TAG']
const ifNoneMatch = [null, 'TAG', '"other"', '*', 'W/TAG', '"other", W/TAG']
const ranges = [null, 'bytes=0-1', 'bytes=990-', 'bytes=-3', 'bytes=-5000', 'bytes=0-0,500-509', 'bytes=500-509,0-0', 'bytes=0-99,50-149', 'bytes=999-5000', 'bytes=1000-', 'bytes=2000-,0-1', 'bytes=2-1', 'bytes=x', 'items=0-1', 'Bytes=0-1']
const ifRange = [null, 'TAG', '"other"', 'W/TAG', at(0), at(1), at(-1), 'yesterday']

interface Case {
  readonly method: string
  readonly headers: Readonly<Record<string, string | null>>
}

/** In what Leveret differs from nginx, by intent. */
const differences: readonly { readonly why: string; readonly holds: (one: Case) => boolean }[] = [
  { why: 'If-Unmodified-Since is ignored beside If-Match (RFC 9110 13.1.4)', holds: ({ headers: { 'If-Match': match, 'If-Unmodified-Since': since } }) => match !== null && (since === at(-1) || since === 'yesterday') },
  { why: 'If-Unmodified-Since is ignored if it has no valid date (RFC 9110 13.1.4)', holds: ({ headers }) => headers['If-Unmodified-Since'] === 'yesterday' },
  { why: 'If-Modified-Since is ignored beside If-None-Match (RFC 9110 13.1.3)', holds: ({ headers: { 'If-None-Match': match, 'If-Modified-Since': since } }) => match !== null && since !== null },
  { why: 'Range is for GET alone (RFC 9110 14.2)', holds: ({ method, headers }) => method === 'HEAD' && headers.Range !== null },
  { why: 'an invalid Range is ignored, as one of another unit is', holds: ({ headers: { Range: range } }) => range === 'bytes=2-1' || range === 'bytes=x' },
  { why: 'ranges that overlap are one', holds: ({ headers }) => headers.Range === 'bytes=0-99,50-149' },
]

const nginx = (root: string): Proxy => ({
  name: 'nginx', program: 'nginx',
  configuration: (path, folder) => `
    daemon off; master_process off; pid ${folder}/pid; error_log stderr crit;
    events { worker_connections 64; }
    http {
      access_log off; keepalive_requests 100000; keepalive_timeout 60s; if_modified_since before; default_type application/octet-stream;
      client_body_temp_path ${folder}/1; proxy_temp_path ${folder}/2; fastcgi_temp_path ${folder}/3; uwsgi_temp_path ${folder}/4; scgi_temp_path ${folder}/5;
      server { listen unix:${path}; root ${root}; }
    }`,
})

function product(method: string, values: Readonly<Record<string, readonly (string | null)[]>>): Case[] {
  let all: Record<string, string | null>[] = [{}]
  for (const [name, list] of Object.entries(values)) all = all.flatMap((one) => list.map((value) => ({ ...one, [name]: value })))
  return all.map((headers) => ({ method, headers: { 'If-Match': null, 'If-Unmodified-Since': null, 'If-None-Match': null, 'If-Modified-Since': null, 'Range': null, 'If-Range': null, ...headers } }))
}

const preconditions = { 'If-Match': ifMatch, 'If-Unmodified-Since': dates, 'If-None-Match': ifNoneMatch, 'If-Modified-Since': dates }
const cases = [
  ...product('GET', { ...preconditions, Range: [null, 'bytes=0-1', 'bytes=1000-'] }),
  ...product('GET', { 'If-None-Match': [null, 'TAG', '"other"'], 'If-Match': [null, 'TAG'], 'Range': ranges, 'If-Range': ifRange }),
  ...product('HEAD', preconditions),
  ...product('HEAD', { 'Range': ranges, 'If-Range': ifRange }),
]

/** Sends all requests, some at a time. nginx closes the connection after 412 and 416: those behind are sent again. */
async function responsesOf(to: number | string): Promise<string[]> {
  const first = await RawClient.connect(to, text({ method: 'GET', headers: {} }, ''))
  const tag = valueOf((await first.responses(1))[0], 'etag') ?? ''
  first.close()
  const all: string[] = []
  while (all.length < cases.length) {
    const client = await RawClient.connect(to)
    let sent: readonly Case[] = []
    let received: readonly WireResponse[] = []
    while (all.length + sent.length < cases.length && received.length === sent.length) {
      const some = cases.slice(all.length + sent.length, all.length + sent.length + 20)
      sent = [...sent, ...some]
      client.send(some.map((one) => text(one, tag)).join(''))
      const methods = sent.map(({ method }) => method)
      received = await client.responses(sent.length, methods).catch(() => client.all(methods))
    }
    client.close()
    if (received.length === 0) throw new Error('no response at all')
    all.push(...received.map(summary))
  }
  return all
}

function text({ method, headers }: Case, tag: string): string {
  const lines = Object.entries(headers).map(([name, value]) => value === null ? '' : `${name}: ${value.replace('TAG', tag)}\r\n`)
  return `${method} /file.bin HTTP/1.1\r\nHost: test\r\n${lines.join('')}\r\n`
}

/** What must be the same: not the text of an error, nor the boundary between parts. */
function summary(response: WireResponse): string {
  const { status, body } = response
  const type = valueOf(response, 'content-type') ?? ''
  const boundary = /boundary=(.*)/.exec(type)?.[1]
  const isFile = status === 200 || status === 206
  return JSON.stringify({
    status,
    range: valueOf(response, 'content-range'),
    modified: status < 400 ? valueOf(response, 'last-modified') : undefined,
    hasTag: status < 400 ? valueOf(response, 'etag') !== undefined : undefined,
    accepts: status === 200 ? valueOf(response, 'accept-ranges') : undefined,
    type: isFile ? type.replace(/boundary=.*/, '') : undefined,
    length: isFile && boundary === undefined ? valueOf(response, 'content-length') : undefined,
    body: isFile ? body.toString('latin1').replaceAll(boundary ?? '\n', '\n') : undefined,
  })
}

t.test('every precondition, and every range, as with nginx', { skip: isInstalled(nginx('')) ? false : 'nginx is not installed' }, async (t) => {
  const root = t.testdir()
  writeFileSync(`${root}/file.bin`, content)
  utimesSync(`${root}/file.bin`, modified, modified)
  const theirs = await responsesOf(await startProxy(t, nginx(root), 0))
  for (const [kind, options] of Object.entries({ 'from memory': {}, 'from the disk': { cache_size: 0 } })) {
    const { port } = await serve(t, { log_level: 'error', requests_per_connection: 1_000_000 }, files(root, options))
    const ours = await responsesOf(port)
    const unlike = cases.flatMap((one, at) => ours[at] === theirs[at] ? [] : [{ one, why: differences.filter(({ holds }) => holds(one)).map(({ why }) => why), ours: ours[at], theirs: theirs[at] }])
    t.strictSame(unlike.filter(({ why }) => why.length === 0).slice(0, 5), [], `${cases.length} requests, ${kind}`)
    for (const { why } of differences) t.ok(unlike.some((one) => one.why.includes(why)), `a difference: ${why}`)
  }
})
