import { fileURLToPath } from 'node:url'
import t from 'tap'
import { breaches, projectRoot, readSources } from './house-rules.js'

const root = projectRoot(fileURLToPath(new URL('.', import.meta.url)))

t.test('the house is in order', async (t) => {
  const sources = readSources(root, ['lev', 'tls', 'lib', 'testing', 'test', 'examples', 'bench'])
  for (const path of ['lev/index.ts', 'tls/index.ts', 'lib/index.ts', 'lib/http1/head.ts', 'testing/index.ts', 'test/house.test.ts']) {
    t.ok(sources.some((source) => source.path === path), `${path} was looked at`)
  }
  t.same(breaches(sources), [])
})

/** Each is in order but for one thing. */
const bad: [string, Record<string, string>, RegExp][] = [
  ['an import upwards', { 'lev/a.ts': 'import { b } from \'../tls/b.js\'', 'tls/b.ts': '' }, /^lev\/a\.ts:1: lev imports tls: imports point down/],
  ['an import upwards, of a type', { 'tls/a.ts': 'import type { B } from \'../lib/b.js\'', 'lib/b.ts': '' }, /tls imports lib/],
  ['an import upwards, by export', { 'tls/a.ts': 'export * from \'../lib/b.js\'', 'lib/b.ts': '' }, /tls imports lib/],
  ['an import upwards, later', { 'lev/a.ts': '\nconst b = import(\'../lib/b.js\')', 'lib/b.ts': '' }, /^lev\/a\.ts:2: lev imports lib/],
  ['an import upwards, by the package\'s name', { 'lev/a.ts': 'import \'leveret/tls\'', 'tls/index.ts': '' }, /lev imports tls/],
  ['an import upwards, within a type', { 'lev/a.ts': 'let b: import(\'../lib/b.js\').B', 'lib/b.ts': '' }, /lev imports lib/],
  ['a deep import of lev', { 'tls/a.ts': 'import \'../lev/core/b.js\'', 'lev/core/b.ts': '' }, /only lev\/index\.ts and lev\/internal\.ts/],
  ['an import of what is for tests', { 'lib/a.ts': 'import \'leveret/testing\'', 'testing/index.ts': '' }, /lib imports testing/],
  ['what is for tests takes what users cannot', { 'testing/a.ts': 'import \'../lev/internal.js\'', 'lev/internal.ts': '' }, /only lev\/index\.ts/],
  ['an import from the tests', { 'lib/a.ts': 'import \'../test/b.js\'', 'test/b.ts': '' }, /lib imports test\/b\.ts/],
  ['the protocol imports the rest', { 'lib/http1/a.ts': 'import \'../b.js\'', 'lib/b.ts': '' }, /lib\/http1\/ imports/],
  ['the protocol imports lev', { 'lib/http1/a.ts': 'import \'../../lev/index.js\'', 'lev/index.ts': '' }, /lib\/http1\/ imports/],
  ['the protocol imports a module', { 'lib/http1/a.ts': 'import \'node:fs\'' }, /lib\/http1\/ imports node:fs/],
  ['an import of nothing', { 'lib/a.ts': 'import \'./b.js\'' }, /imports \.\/b\.js, which is not there/],
  ['a program that has moved', { 'test/a.ts': 'spawn(new URL(\'../lib/b.js\', import.meta.url))' }, /names \.\.\/lib\/b\.js, which is not there/],
  ['a circle of two', { 'lib/a.ts': 'import \'./b.js\'', 'lib/b.ts': 'import \'./a.js\'' }, /lib\/a\.ts -> lib\/b\.ts -> lib\/a\.ts$/],
  ['a circle of one', { 'lib/a.ts': 'import \'./a.js\'' }, /circle/],
  ['a circle of three, with types', {
    'lib/a.ts': 'import type { B } from \'./b.js\'', 'lib/b.ts': 'export * from \'./c.js\'', 'lib/c.ts': 'import \'./a.js\'',
  }, /circle/],
  ['sockets', { 'lev/a.ts': 'import { connect } from \'node:net\'' }, /only lev\/drivers may import node:net/],
  ['sockets, by the old name', { 'lib/a.ts': 'import net from \'net\'' }, /only lev\/drivers may import net/],
  ['a server', { 'lib/a.ts': 'import \'node:http\'' }, /only lev\/drivers may import node:http/],
  ['timers by import', { 'lib/a.ts': 'import \'node:timers/promises\'' }, /only lev\/drivers may import/],
  ['TLS sockets in tls', { 'tls/a.ts': 'import { TLSSocket } from \'node:tls\'' }, /may import TLSSocket from node:tls/],
  ['TLS sockets by another name', { 'tls/a.ts': 'import { connect as fine } from \'node:tls\'' }, /may import connect from node:tls/],
  ['all of node:tls', { 'tls/a.ts': 'import * as tls from \'node:tls\'' }, /all of node:tls/],
  ['node:tls in lib', { 'lib/a.ts': 'import { createSecureContext } from \'node:tls\'' }, /node:tls/],
  ['compression beside the table', { 'lib/coding/a.ts': 'import { gzip } from \'node:zlib\'' }, /codings\.ts and .* may import node:zlib/],
  ['a timer', { 'lev/a.ts': 'setTimeout(() => {}, 1)' }, /may use setTimeout/],
  ['a timer by a roundabout way', { 'lib/a.ts': 'globalThis.setImmediate(() => {})' }, /may use setImmediate/],
  ['a timer as a value', { 'lib/a.ts': 'const later = setInterval' }, /may use setInterval/],
  ['the clock', { 'tls/a.ts': 'Date.now()' }, /may use Date\.now/],
  ['the clock as a date', { 'lib/a.ts': 'new Date()' }, /new Date\(\)/],
  ['the other clock', { 'lib/a.ts': 'performance.now()' }, /may use performance/],
  ['the third clock', { 'lib/a.ts': 'process.hrtime.bigint()' }, /may use process\.hrtime/],
  ['the event loop', { 'lib/a.ts': 'import { monitorEventLoopDelay } from \'node:perf_hooks\'' }, /only lev\/drivers may import/],
  ['a private part of Node', { 'lev/drivers/a.ts': 'socket._handle' }, /internals\/ may use _handle/],
  ['a private part of Node, as text', { 'lib/a.ts': 'Reflect.get(socket, \'_handle\')' }, /internals\/ may use _handle/],
  ['any', { 'lib/a.ts': 'const a: any = 1' }, /the type any/],
  ['any, hidden', { 'lev/a.ts': 'const a = new Map<string, (() => any)[]>()' }, /the type any/],
  ['a cast of a cast', { 'tls/a.ts': 'const a = (1 as unknown) as string' }, /a cast of a cast/],
  ['silencing', { 'lib/a.ts': 'const a = b()!' }, /silences/],
  ['a file\'s name', { 'lib/camelCase.ts': '' }, /camelCase\.ts is not/],
  ['a folder\'s name', { 'lib/Folder/a.ts': '' }, /Folder is not/],
  ['an underscore', { 'test/a_b.test.ts': '' }, /a_b/],
  ['a long file', { 'lib/a.ts': '\n'.repeat(401) }, /401 lines/],
]

for (const [name, files, complaint] of bad) {
  t.test(`it is noticed: ${name}`, async (t) => {
    const found = breaches(Object.entries(files).map(([path, text]) => ({ path, text })))
    t.equal(found.length, 1, found.join('\n'))
    t.match(found[0], complaint)
  })
}

t.test('what is allowed', async (t) => {
  const good: Record<string, string> = {
    'lib/index.ts': 'import { lev } from \'../lev/index.js\'\nimport \'../tls/a.js\'\nimport \'./http1/a.js\'\nimport pino from \'pino\'',
    'lib/http1/a.ts': 'import type { Buffer } from \'node:buffer\'\nexport * from \'./b-c.js\'',
    'lib/http1/b-c.ts': 'const options = { setTimeout: 1 }\nclock.setTimeout(new Date(5))',
    'tls/a.ts': 'import { createSecureContext, type TLSSocket } from \'node:tls\'\nimport type { PeerCertificate } from \'node:tls\'',
    'lev/index.ts': 'export * from \'./drivers/node.js\'\nconst many: unknown = {} as const',
    'lev/drivers/node.ts': 'import net from \'node:net\'\nimport tls from \'node:tls\'\nsetTimeout(() => Date.now() + performance.now(), 1)',
    'testing/a.ts': 'import \'../lev/index.js\'\nimport \'../lib/index.js\'\nimport \'./b.js\'',
    'lib/web/metrics/process-numbers.ts': 'import { performance } from \'node:perf_hooks\'\nperformance.timeOrigin',
    'testing/b.ts': '',
    'test/lib/x.test.ts': 'import \'leveret\'\nconst any: any = 1 as unknown as string\nsetTimeout(() => {}, Date.now())',
    'examples/a.ts': '\n'.repeat(400),
  }
  t.same(breaches(Object.entries(good).map(([path, text]) => ({ path, text }))), [])
})
