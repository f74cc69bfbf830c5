import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import type { Agreement } from '../../../lib/websocket/deflate.js'
import { acceptCompression, chooseCompression, compressionOffer, parseExtensions } from '../../../lib/websocket/extensions.js'
import {
  acceptHandshake, asksForWebSocket, checkResponse, handshakeHeaders, type HandshakeRules, type UpgradeRequest,
} from '../../../lib/websocket/handshake.js'
import { seed } from '../../support/seed.js'
import { key } from './wire.js'

const plain: HandshakeRules = { origins: 'same', protocols: [], compression: null }
const none: Agreement = { server_no_context_takeover: true, client_no_context_takeover: true, server_max_window_bits: 15, client_max_window_bits: 15 }
const all: Agreement = { ...none, server_no_context_takeover: false, client_no_context_takeover: false }

function request(fields: Record<string, string | undefined> = {}, more: Partial<UpgradeRequest> = {}): UpgradeRequest {
  const every: Record<string, string | undefined> = { upgrade: 'websocket', 'sec-websocket-key': key, 'sec-websocket-version': '13', ...fields }
  return { method: 'GET', upgrade: true, fields: { get: (name) => every[name] }, ...more }
}

t.test('the example of RFC 6455 section 1.3', async (t) => {
  t.match(acceptHandshake(request({ 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' }), plain, 'example.com', false), { headers: { 'Sec-WebSocket-Accept': 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=' } })
})

t.test('what is a handshake, and what is wrong with others', async (t) => {
  const table: [what: string, request: UpgradeRequest, status: number | null][] = [
    ['a good one', request(), null],
    ['any case', request({ upgrade: 'WebSocket' }), null],
    ['among others', request({ upgrade: 'h2c, websocket' }), null],
    ['another protocol', request({ upgrade: 'h2c' }), 426],
    ['none', request({ upgrade: undefined }, { upgrade: false }), 426],
    ['Upgrade without Connection', request({}, { upgrade: false }), 426],
    ['POST', request({}, { method: 'POST' }), 426],
    ['no version', request({ 'sec-websocket-version': undefined }), 426],
    ['version 8', request({ 'sec-websocket-version': '8' }), 426],
    ['two versions', request({ 'sec-websocket-version': '13, 13' }), 426],
    ['no key', request({ 'sec-websocket-key': undefined }), 400],
    ['a short key', request({ 'sec-websocket-key': 'dGhlIHNhbXBsZQ==' }), 400],
    ['a long key', request({ 'sec-websocket-key': `aaaa${key}` }), 400],
    ['two keys', request({ 'sec-websocket-key': `${key}, ${key}` }), 400],
    ['a key that is no base64', request({ 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZ_==' }), 400],
    ['malformed protocols', request({ 'sec-websocket-protocol': 'a b' }), 400],
    ['malformed extensions', request({ 'sec-websocket-extensions': 'a b' }), 400],
    ['unknown extensions', request({ 'sec-websocket-extensions': 'x-webkit-deflate-frame; a=b; c="d", foo' }), null],
  ]
  for (const [what, one, status] of table) {
    const result = acceptHandshake(one, plain, 'example.com', false)
    t.equal('status' in result ? result.status : null, status, what)
    if (!('status' in result) || status !== 426) continue
    t.equal(result.headers?.Upgrade, 'websocket', 'RFC 9110 section 7.8: a 426 says to what')
    if (what.includes('version')) t.equal(result.headers?.['Sec-WebSocket-Version'], '13')
  }
  t.ok(asksForWebSocket(request({ 'sec-websocket-key': undefined })))
  t.notOk(asksForWebSocket(request({ upgrade: 'h2c' })))
})

t.test('subprotocols', async (t) => {
  const choose = (offered: string | undefined, protocols: HandshakeRules['protocols']): unknown => {
    const result = acceptHandshake(request({ 'sec-websocket-protocol': offered }), { ...plain, protocols }, 'example.com', false)
    return 'status' in result ? result.status : [result.protocol, result.headers['Sec-WebSocket-Protocol']]
  }
  t.strictSame(choose('chat, superchat', ['superchat', 'chat']), ['superchat', 'superchat'])
  t.strictSame(choose('chat', ['Chat']), ['', undefined], 'case counts')
  t.strictSame(choose(undefined, ['chat']), ['', undefined])
  t.strictSame(choose('a, b', (offered) => offered[1] ?? null), ['b', 'b'])
  t.strictSame(choose('a, b', () => null), ['', undefined])
  t.throws(() => choose('a', () => 'b'), { message: /chose "b", which the client did not offer/ })
})

t.test('origins', async (t) => {
  const may = (origin: string | undefined, origins: HandshakeRules['origins']): boolean =>
    !('status' in acceptHandshake(request({ origin }), { ...plain, origins }, 'example.com', false))
  t.ok(may('https://evil.test', '*'))
  t.ok(may('https://a.test', ['https://a.test']))
  t.ok(may('https://A.test', ['https://a.test:443']))
  t.notOk(may('http://a.test', ['https://a.test']))
  t.notOk(may('http://example.com', ['https://a.test']), 'a list has to name the own pages too')
  t.ok(may(undefined, []), 'no browser')
  t.ok(may('https://x.a.test', (origin, host) => origin === 'https://x.a.test' && host === 'example.com'))
  t.notOk(may(undefined, (origin) => origin !== null))
  const refused = acceptHandshake(request({ origin: 'https://evil.test' }), plain, 'example.com', false)
  t.equal('status' in refused ? refused.status : 0, 403)
})

t.test('the same origin', async (t) => {
  const table: [origin: string | undefined, host: string, plain: boolean, secure: boolean][] = [
    [undefined, 'example.com', true, true],
    ['https://example.com', 'example.com', true, true],
    ['https://Example.com', 'eXample.com', true, true],
    ['http://example.com', 'example.com', true, false],
    // The scheme's own port, named or not.
    ['https://example.com', 'example.com:443', true, true],
    ['https://example.com:443', 'example.com', true, true],
    ['http://example.com', 'example.com:80', true, false],
    ['https://example.com', 'example.com:80', false, false],
    ['http://example.com', 'example.com:443', false, false],
    // Any other.
    ['https://example.com:8443', 'example.com:8443', true, true],
    ['http://127.0.0.1:8080', '127.0.0.1:8080', true, false],
    ['http://[::1]:8080', '[::1]:8080', true, false],
    ['https://example.com:8443', 'example.com', false, false],
    ['https://example.com', 'example.com:8443', false, false],
    ['http://127.0.0.1:8080', '127.0.0.1:80', false, false],
    ['http://127.0.0.1:8080', 'localhost:8080', false, false],
    // What only resembles it.
    ['https://example.com.evil.test', 'example.com', false, false],
    ['https://evil.test/https://example.com', 'example.com', false, false],
    ['https://example.com/', 'example.com', false, false],
    ['https://example.com, https://example.com', 'example.com', false, false],
    ['example.com', 'example.com', false, false],
    ['wss://example.com', 'example.com', false, false],
    ['chrome-extension://example.com', 'example.com', false, false],
    ['null', 'example.com', false, false],
    ['', 'example.com', false, false],
  ]
  for (const [origin, host, ...expected] of table) {
    const found = [false, true].map((secure) => !('status' in acceptHandshake(request({ origin }), plain, host, secure)))
    t.strictSame(found, expected, `${origin} to ${host}`)
  }
})

t.test('offers for permessage-deflate', async (t) => {
  const name = 'permessage-deflate'
  const lean = `${name}; server_no_context_takeover; client_no_context_takeover`
  const table: [offer: string, own: Agreement, response: string | null][] = [
    [name, none, lean],
    [name, all, name],
    [`${name}; client_max_window_bits`, none, lean],
    [`${name}; client_max_window_bits`, { ...all, client_max_window_bits: 10 }, `${name}; client_max_window_bits=10`],
    [name, { ...all, client_max_window_bits: 10 }, name],
    [`${name}; client_max_window_bits=9`, { ...all, client_max_window_bits: 10 }, `${name}; client_max_window_bits=9`],
    [`${name}; server_max_window_bits=10`, all, `${name}; server_max_window_bits=10`],
    [`${name}; server_max_window_bits=15`, all, `${name}; server_max_window_bits=15`],
    [`${name}; server_max_window_bits=12`, { ...all, server_max_window_bits: 9 }, `${name}; server_max_window_bits=9`],
    [`${name}; server_max_window_bits="10"`, all, `${name}; server_max_window_bits=10`],
    [`${name}; server_no_context_takeover`, all, `${name}; server_no_context_takeover`],
    [`${name}; client_no_context_takeover`, all, `${name}; client_no_context_takeover`],
    ['PerMessage-Deflate', all, name],
    // Declined: what cannot be, or is not known; the next offer counts.
    [`${name}; server_max_window_bits`, all, null],
    [`${name}; server_max_window_bits=7`, all, null],
    [`${name}; server_max_window_bits=16`, all, null],
    [`${name}; server_max_window_bits=08`, all, null],
    [`${name}; client_max_window_bits=1e1`, all, null],
    [`${name}; server_no_context_takeover=1`, all, null],
    [`${name}; client_no_context_takeover; client_no_context_takeover`, all, null],
    [`${name}; what`, all, null],
    [`${name}; what, ${name}`, all, name],
    [`x-other, ${name}; server_max_window_bits=10, ${name}`, all, `${name}; server_max_window_bits=10`],
    ['', all, null],
  ]
  for (const [offer, own, response] of table) {
    t.equal(chooseCompression(parseExtensions(offer) ?? [], own)?.response ?? null, response, offer)
  }
  for (const bad of ['a;', ';', 'a; b=', 'a; =b', 'a; b="c', 'a; b="c d"', 'a b', 'a; b c', 'ä']) t.equal(parseExtensions(bad), null, bad)
})

t.test('what a client makes of the response', async (t) => {
  const name = 'permessage-deflate'
  t.equal(compressionOffer(none), `${name}; server_no_context_takeover; client_no_context_takeover; client_max_window_bits`)
  t.equal(compressionOffer({ ...all, server_max_window_bits: 10, client_max_window_bits: 11 }), `${name}; server_max_window_bits=10; client_max_window_bits=11`)
  t.equal(acceptCompression(undefined, all), null)
  t.strictSame(acceptCompression(name, all), all)
  t.strictSame(acceptCompression(`${name}; server_max_window_bits=9; client_max_window_bits=10`, all), { ...all, server_max_window_bits: 9, client_max_window_bits: 10 })
  for (const bad of [
    'x', `${name}, ${name}`, `${name}; client_max_window_bits`, `${name}; what=1`, `${name}; server_max_window_bits=16`, 'a b',
  ]) t.type(acceptCompression(bad, all), 'string', bad)
  t.type(acceptCompression(name, null), 'string')
  t.type(acceptCompression(name, none), 'string', 'it must say server_no_context_takeover')
  t.type(acceptCompression(name, { ...all, server_max_window_bits: 10 }), 'string', 'its window is too large')
  const offer = { key, protocols: ['a', 'b'], compression: none }
  t.match(handshakeHeaders(offer), { Upgrade: 'websocket', 'Sec-WebSocket-Protocol': 'a, b', 'Sec-WebSocket-Version': '13' })
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  const good: Record<string, string> = { upgrade: 'WebSocket', connection: 'keep-alive, Upgrade', 'sec-websocket-accept': accept, 'sec-websocket-protocol': 'b' }
  const check = (change: Record<string, string | undefined>, status = 101): unknown => {
    const fields: Record<string, string | undefined> = { ...good, ...change }
    return checkResponse(status, { get: (one) => fields[one] }, offer)
  }
  t.strictSame(check({}), { protocol: 'b', compression: null })
  t.match(check({}, 200), /responded with 200/)
  for (const change of [
    { upgrade: 'h2c' }, { connection: 'close' }, { 'sec-websocket-accept': 'x' }, { 'sec-websocket-protocol': 'c' }, { 'sec-websocket-extensions': 'x' },
  ]) t.type(check(change), 'string', JSON.stringify(change))
})

t.test('both sides agree, whatever each wants', async (t) => {
  const agreement = fc.record({
    server_no_context_takeover: fc.boolean(), client_no_context_takeover: fc.boolean(),
    server_max_window_bits: fc.integer({ min: 8, max: 15 }), client_max_window_bits: fc.integer({ min: 8, max: 15 }),
  })
  fc.assert(fc.property(agreement, agreement, (client, server) => {
    const chosen = chooseCompression(parseExtensions(compressionOffer(client)) ?? [], server)
    const accepted = acceptCompression(chosen?.response, client)
    if (JSON.stringify(accepted) !== JSON.stringify(chosen?.agreement)) throw new Error(`${JSON.stringify(accepted)} and ${JSON.stringify(chosen)}`)
  }), { seed })
  t.pass()
})

t.test('no fields make it throw', async (t) => {
  const value = fc.option(fc.oneof(
    fc.string({ unit: fc.constantFrom(...'ab;,="\\ \t0189-_x') }),
    fc.constantFrom('permessage-deflate; client_max_window_bits', 'websocket', '13', key),
  ), { nil: undefined })
  fc.assert(fc.property(fc.record({
    upgrade: value, origin: value, 'sec-websocket-key': value, 'sec-websocket-version': value, 'sec-websocket-protocol': value, 'sec-websocket-extensions': value,
  }), (fields) => {
    acceptHandshake(request(fields), { origins: 'same', protocols: ['a'], compression: none }, 'example.com', false)
    acceptHandshake(request({ ...fields, upgrade: 'websocket', 'sec-websocket-key': key, 'sec-websocket-version': '13' }), { origins: [], protocols: ['a'], compression: none }, 'example.com', true)
  }), { seed, numRuns: 500 })
  t.pass()
})
