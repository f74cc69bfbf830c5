import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import fc from 'fast-check'
import { pino } from 'pino'
import t from 'tap'
import { defaults, mergeSettings, settingsTable, type Config, type Settings } from '../../../lib/config/settings.js'
import { BindError, ConfigError } from '../../../lib/errors.js'
import { editDistance, suggest } from '../../../lib/config/suggest.js'

const names = Object.keys(settingsTable)

function rejection(config: unknown, current: Settings = defaults): ConfigError {
  try {
    mergeSettings(current, config)
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new Error(`not refused: ${String(config)}`)
}

t.test('the defaults are those of the design', async (t) => {
  t.strictSame(defaults, {
    ip: '127.0.0.1',
    port: 8080,
    listen: null,
    backlog: 256,
    reuse_port: false,
    connection_limit: 64, connections_per_client: null, handshakes_per_client: null, client_ipv6_prefix: 64,
    requests_per_connection: 512,
    max_body_size: 5 * 1024 * 1024,
    buffer_body: true,
    decode_body: false,
    request_line_limit: 8192,
    header_count_limit: 100,
    header_size_limit: 65536,
    min_transfer_rate: 500,
    keepalive_idle_timeout: 15,
    request_header_timeout: 10,
    request_body_timeout: 30,
    handler_timeout: null,
    tls_handshake_timeout: 10,
    send_timeout: 30,
    pre_drain: 0,
    drain: 30,
    log_level: 'access',
    log_format: 'auto',
    log_headers: ['referer', 'x-real-ip', 'user-agent'],
    half_close: 'cancel',
    proxy_protocol: [],
    trusted_proxies: [],
    forwarded: 'x-forwarded',
    ssl: null,
    hsts: null,
    logger: null,
    handle_signals: false,
    compression: {
      enabled: true,
      min_size: 4096,
      types: [
        'text/html', 'text/plain', 'text/css', 'text/javascript', 'image/svg+xml',
        'application/json', 'application/rss+xml',
      ],
      codings: ['zstd', 'gzip', 'br', 'deflate'],
    },
  })
  t.strictSame(mergeSettings(defaults, {}), defaults)
})

t.test('the comment of each setting says its default and its unit', async (t) => {
  const source = readFileSync(new URL('../../../../lib/config/settings.ts', import.meta.url), 'utf8')
  for (const [name, row] of Object.entries({ ...settingsTable, ...settingsTable.compression })) {
    if (name === 'compression' || !('check' in row)) continue
    const comment = new RegExp(`/\\*\\*((?:(?!\\*/)[^])*)\\*/\\n  ${name}: row`).exec(source)?.[1] ?? ''
    const text = Array.isArray(row.default) ? row.default.join(', ') : JSON.stringify(row.default)
    t.ok(comment.includes(`Default: ${text}`), `${name} says its default, ${text}`)
    const unit = { s: 'in seconds', B: 'in bytes', 'B/s': 'in bytes a second', '': '' }[row.unit]
    t.ok(unit !== undefined && comment.includes(unit), `${name} says its unit`)
  }
})

t.test('unknown settings are refused by name, with what was meant', async (t) => {
  const cases: readonly (readonly [Record<string, unknown>, string, string])[] = [
    [{ maxBodySize: 1 }, 'maxBodySize', 'unknown setting maxBodySize; did you mean max_body_size?'],
    [{ max_body_sise: 1 }, 'max_body_sise', 'unknown setting max_body_sise; did you mean max_body_size?'],
    [{ 'MAX-BODY-SIZE': 1 }, 'MAX-BODY-SIZE', 'unknown setting MAX-BODY-SIZE; did you mean max_body_size?'],
    [{ prot: 1 }, 'prot', 'unknown setting prot; did you mean port?'],
    [{ Port: 1 }, 'Port', 'unknown setting Port; did you mean port?'],
    [{ host: 'x' }, 'host', 'unknown setting host; did you mean ip?'],
    [{ tls: null }, 'tls', 'unknown setting tls; did you mean ssl?'],
    [{ keepAliveTimeout: 5000 }, 'keepAliveTimeout',
      'unknown setting keepAliveTimeout; did you mean keepalive_idle_timeout?'],
    [{ requestTimeout: 5 }, 'requestTimeout', 'unknown setting requestTimeout; did you mean request_body_timeout?'],
    [{ colour: 'red' }, 'colour', 'unknown setting colour'],
    [{ min_size: 1 }, 'min_size', 'unknown setting min_size; did you mean compression.min_size?'],
    [{ cert: 'x' }, 'cert', 'unknown setting cert; did you mean ssl.default.cert?'],
    [{ compression: { minSize: 1 } }, 'compression.minSize',
      'unknown setting compression.minSize; did you mean compression.min_size?'],
    [{ ssl: { defualt: {} } }, 'ssl.defualt', 'unknown setting ssl.defualt; did you mean ssl.default?'],
    [{ ssl: { default: { crt: '' } } }, 'ssl.default.crt',
      'unknown setting ssl.default.crt; did you mean ssl.default.cert?'],
    [{ ssl: { default: {}, hosts: {} }, 'a\nb': 1 }, 'a\nb', 'unknown setting "a\\nb"'],
    [{ constructor: 1 }, 'constructor', 'unknown setting constructor'],
    [{ toString: 1 }, 'toString', 'unknown setting toString'],
    [{ hasOwnProperty: 1 }, 'hasOwnProperty', 'unknown setting hasOwnProperty'],
  ]
  for (const [config, key, message] of cases) {
    const error = rejection(config)
    t.equal(error.key, key)
    t.match(error, { code: 'LEVERET_CONFIG', name: 'ConfigError' })
    t.ok(error.message.startsWith(message), error.message)
  }
})

t.test('__proto__ is an unknown setting and pollutes nothing', async (t) => {
  for (const text of ['{"__proto__": {"port": 1}}', '{"compression": {"__proto__": {"enabled": false}}}',
    '{"ssl": {"default": {"cert": "c", "key": "k"}, "hosts": {"__proto__": {"cert": "c", "key": "k"}}}}',
    '{"ssl": {"__proto__": {"default": {"cert": "c", "key": "k"}}}}']) {
    t.match(rejection(JSON.parse(text)).message, /__proto__/)
  }
  t.notOk('port' in {})
})

t.test('wrong values are refused: which setting, what it was, what it may be', async (t) => {
  const cases: readonly (readonly [unknown, string])[] = [
    [{ port: '8080' }, 'port must be an integer from 0 to 65535, got "8080" (did you mean the number 8080?)'],
    [{ port: 65536 }, 'port must be an integer from 0 to 65535, got 65536'],
    [{ port: -1 }, 'port must be an integer from 0 to 65535, got -1'],
    [{ port: 80.5 }, 'port must be an integer from 0 to 65535, got 80.5'],
    [{ port: 80n }, 'port must be an integer from 0 to 65535, got 80n (did you mean the number 80?)'],
    [{ port: NaN }, 'port must be an integer from 0 to 65535, got NaN'],
    [{ max_body_size: '5mb' }, 'max_body_size must be an integer from 0 to 4294967296 (bytes), got "5mb"'],
    [{ max_body_size: Infinity }, 'max_body_size must be an integer from 0 to 4294967296 (bytes), got Infinity'],
    [{ connection_limit: 0 }, 'connection_limit must be an integer from 1 to 1000000, got 0'],
    [{ min_transfer_rate: -1 }, 'min_transfer_rate must be a number from 0 to 1000000000 (bytes a second), got -1'],
    [{ log_level: 'acess' }, 'log_level must be one of "debug", "access", "info", "warn", "error", got "acess" ' +
      '(did you mean "access"?)'],
    [{ log_level: 25 }, 'log_level must be one of "debug", "access", "info", "warn", "error", got 25'],
    [{ handler_timeout: 0 }, 'handler_timeout must be a number of seconds, got 0 (null turns it off)'],
    [{ half_close: true }, 'half_close must be one of "cancel", "answer", got true'],
    [{ handle_signals: 1 }, 'handle_signals must be true or false, got 1'],
    [{ log_headers: 'referer' }, 'log_headers must be an array of header names, got "referer"'],
    [{ log_headers: ['a', 'b c'] }, 'log_headers[1] must be the name of a header, got "b c"'],
    [{ log_headers: ['Status'] }, 'log_headers[0] must be the name of a header, got "Status" ' +
      '(the access line has something else of this name)'],
    [{ compression: false }, 'compression must be an object { enabled, min_size, types, codings }, got false ' +
      '(did you mean { enabled: false }?)'],
    [{ compression: { types: { 'text/html': 1 } } }, 'compression.types["text/html"] must be true or false, got 1'],
    [{ compression: { types: { html: true } } }, 'compression.types must be a media type such as "text/html", got "html"'],
    [{ compression: { codings: ['brotli'] } }, 'compression.codings[0] must be one of "zstd", "gzip", "br", "deflate", got "brotli"'],
    [{ compression: { codings: ['gzip', 'zst'] } },
      'compression.codings[1] must be one of "zstd", "gzip", "br", "deflate", got "zst" (did you mean "zstd"?)'],
    [{ compression: { codings: [] } }, 'compression.codings must be an array of at least one name, got an array (enabled: false turns compression off)'],
    [{ compression: { codings: 'gzip' } }, 'compression.codings must be an array of content codings, got "gzip"'],
    [{ pre_drain: Infinity }, 'pre_drain must be a number from 0 to 3600 (seconds), got Infinity'],
    [{ drain: -1 }, 'drain must be a number from 0 to 3600 (seconds), got -1'],
    [{ compression: { types: ['text/html; charset=utf-8'] } }, 'compression.types[0] must be a media type such as ' +
      '"text/html", got "text/html; charset=utf-8" (without parameters: it counts whatever they are)'],
    [{ compression: { types: ['text/*'] } },
      'compression.types[0] must be a media type such as "text/html", got "text/*"'],
    // eslint-disable-next-line no-sparse-arrays
    [{ compression: { types: [, 'text/html'] } },
      'compression.types[0] must be a media type such as "text/html", got undefined'],
    [{ ip: 'x'.repeat(300) }, `ip must be an IP address or a host name, got "${'x'.repeat(57)}..."`],
    [{ logger: {} }, 'logger must be a logger with the methods debug, info, warn, error, or null, got an object ' +
      '(it has no debug())'],
    [undefined, 'config must be an object of settings, got undefined'],
    [null, 'config must be an object of settings, got null'],
    ['x', 'config must be an object of settings, got "x"'],
    [8080, 'config must be an object of settings, got 8080'],
    [[], 'config must be an object of settings, got an array'],
    [() => {}, 'config must be an object of settings, got a function'],
    [new Map([['port', 1]]), 'config must be an object of settings, got a Map'],
    [Promise.resolve({}), 'config must be an object of settings, got a Promise'],
  ]
  for (const [config, message] of cases) t.equal(rejection(config).message, message)
})

t.test('durations are seconds: a millisecond at least, at most an hour', async (t) => {
  const durations = names.filter((name) => Object.entries(settingsTable).some(([other, row]) => {
    return other === name && 'unit' in row && row.unit === 's'
  }))
  const timeouts = names.filter((name) => name.endsWith('_timeout'))
  t.strictSame(durations, [...timeouts, 'pre_drain', 'drain'])
  for (const name of timeouts) {
    t.match(mergeSettings(defaults, { [name]: 3600 }), { [name]: 3600 })
    t.match(mergeSettings(defaults, { [name]: 0.001 }), { [name]: 0.001 })
    const expected = `${name} must be a number of seconds from 0.001 to 3600, got`
    const hint = (value: unknown): string => rejection({ [name]: value }).message
    t.equal(hint(15000), `${expected} 15000 (the unit is seconds; 15000 looks like milliseconds: did you mean 15?)`)
    t.equal(hint(4000000), `${expected} 4000000 (the unit is seconds)`)
    if (name !== 'handler_timeout') t.equal(hint(0), `${expected} 0 (a timeout cannot be turned off)`)
    t.equal(hint(1e-9), `${expected} 1e-9`)
    t.equal(hint(-1), `${expected} -1 (a timeout cannot be turned off)`)
    if (name !== 'handler_timeout') t.equal(hint(Infinity), `${expected} Infinity (the unit is seconds, and a timeout cannot be turned off)`)
    t.equal(hint(NaN), `${expected} NaN`)
    t.equal(hint('15'), `${expected} "15" (did you mean the number 15?)`)
    t.equal(hint('15s'), `${expected} "15s"`)
  }
})

t.test('ip is an IP address or a host name', async (t) => {
  for (const ip of ['0.0.0.0', '255.1.20.199', '::', '::1', 'fe80::1%eth0', '::ffff:1.2.3.4', '2001:DB8::1',
    'localhost', 'my_host', 'a.example.com', 'example.com.', 'xn--bcher-kva.example', '3com.example']) {
    t.equal(mergeSettings(defaults, { ip }).ip, ip)
  }
  for (const ip of ['', ' ', '*', '256.1.1.1', '1.2.3', '1.2.3.4.5', '01.2.3.4', '1', ':', ':::', '1::2::3', '[::1]',
    'a b', 'a..b', '.', '.a', '-a', 'a-', 'http://a', 'a:80', '127.0.0.1:80', 'a/b', 'bücher.example', 'a\n',
    '127.0.0.1\n', `${'a'.repeat(64)}.b`,
    `${'a.'.repeat(127)}a`, 1, ['a']]) {
    t.equal(rejection({ ip }).key, 'ip', JSON.stringify(ip))
  }
})

t.test('compression.types may be a set, as in Lilush', async (t) => {
  const { compression } = mergeSettings(defaults, { compression: { types: { 'Text/HTML': true, 'a/b': false, 'c/d': true } } })
  t.strictSame(compression.types, ['text/html', 'c/d'])
})

t.test('configs of any make: classes, inherited, null prototypes, modules, getters', async (t) => {
  class Base {
    port = 1
    get backlog(): number {
      return 2
    }
    helper(): void {}
  }
  class Mine extends Base {
    readonly compression = new (class {
      enabled = false
    })()
    static ip = 'not this'
  }
  const module = 'data:text/javascript,export const port = 5'
  t.match(mergeSettings(defaults, new Mine()), { port: 1, backlog: 2, compression: { enabled: false, min_size: 4096 } })
  t.match(mergeSettings(defaults, Object.assign(Object.create(null), { port: 3 })), { port: 3 })
  t.match(mergeSettings(defaults, Object.create({ port: 4 })), { port: 4 })
  t.match(mergeSettings(defaults, (await import(module)) as unknown), { port: 5 })
  let reads = 0
  const counted = { get port() { return ++reads } }
  t.match(mergeSettings(defaults, counted), { port: 1 })
  t.equal(reads, 1, 'each is read once')
  t.match(rejection(new (class { prot = 1 })()).message, /did you mean port/)
})

t.test('null means not given, except where it is a value', async (t) => {
  const given = mergeSettings(defaults, { ip: '::1', port: 1, drain: 2, compression: { min_size: 3 }, logger: console })
  const nothing = Object.fromEntries(names.map((name) => [name, null]))
  t.strictSame(mergeSettings(given, nothing), { ...given, ssl: null, logger: null })
  t.strictSame(mergeSettings(given, { compression: { enabled: null, min_size: null, types: null } }), given)
  const ssl = { default: { cert: 'c', key: 'k', pfx: null, ca: null, client_certificate: null }, hosts: null, allow_expired: null }
  t.strictSame(mergeSettings(defaults, { ssl }).ssl, { default: { cert: 'c', key: 'k' } })
})

t.test('undefined means not given, at every depth', async (t) => {
  const nothing = Object.fromEntries(names.map((name) => [name, undefined]))
  t.strictSame(mergeSettings(defaults, nothing), defaults)
  t.strictSame(mergeSettings(defaults, { compression: { enabled: undefined } }), defaults)
  t.strictSame(mergeSettings(defaults, { prot: undefined }), defaults)
  const ssl = { default: { cert: 'c', key: 'k', ca: undefined }, hosts: undefined }
  t.strictSame(mergeSettings(defaults, { ssl }).ssl, { default: { cert: 'c', key: 'k' } })
})

t.test('compression is merged key by key, ssl is replaced as a whole', async (t) => {
  const first = mergeSettings(defaults, {
    compression: { min_size: 1 },
    ssl: { default: { cert: 'c', key: 'k' }, hosts: { 'a.test': { pfx: 'p', passphrase: '' } }, allow_expired: true },
  })
  t.match(first.compression, { enabled: true, min_size: 1 })
  const second = mergeSettings(first, {
    compression: { types: ['Text/HTML', 'text/html'] },
    ssl: { default: { pfx: 'q' } },
  })
  t.strictSame(second.compression, { ...defaults.compression, min_size: 1, types: ['text/html'] })
  t.strictSame(second.ssl, { default: { pfx: 'q' } })
  t.equal(mergeSettings(second, { port: 1 }).ssl, second.ssl)
  t.equal(mergeSettings(second, { ssl: null }).ssl, null)
})

t.test('ssl: what is wrong is said, and no secret with it', async (t) => {
  const pair = { cert: 'c', key: 'k' }
  const pem = '-----BEGIN PRIVATE KEY-----\nMIIsecret'
  const cases: readonly (readonly [unknown, string, string])[] = [
    [true, 'ssl', 'ssl must be an object { default: { cert, key }, hosts } or null, got true'],
    [{}, 'ssl.default', 'ssl.default is missing: the identity for clients that name no host'],
    [{ default: 'x' }, 'ssl.default', 'ssl.default must be an object { cert, key } or { pfx }, got "x"'],
    [{ default: {} }, 'ssl.default.cert', 'ssl.default.cert is missing: give cert and key, or pfx'],
    [{ default: { cert: 'c' } }, 'ssl.default.key', 'ssl.default.key is missing: cert does not go without it'],
    [{ default: { key: 'k' } }, 'ssl.default.cert', 'ssl.default.cert is missing: key does not go without it'],
    [{ default: { ...pair, pfx: 'p' } }, 'ssl.default.pfx',
      'ssl.default.pfx takes the place of cert and key: give either'],
    [{ default: { ...pair, cert: '' } }, 'ssl.default.cert', 'ssl.default.cert must be the path of a file, got ""'],
    [{ default: { ...pair, key: pem } }, 'ssl.default.key',
      'ssl.default.key must be the path of a file, got its content'],
    [{ default: { ...pair, key: Buffer.from(pem) } }, 'ssl.default.key',
      'ssl.default.key must be the path of a file, got a Uint8Array'],
    [{ default: { ...pair, passphrase: 1234 } }, 'ssl.default.passphrase',
      'ssl.default.passphrase must be a string, got a number'],
    [{ default: { ...pair, client_certificate: true } }, 'ssl.default.client_certificate',
      'ssl.default.client_certificate must be one of "request", "require", got true'],
    [{ default: pair, allow_expired: 'yes' }, 'ssl.allow_expired',
      'ssl.allow_expired must be true or false, got "yes"'],
    [{ default: pair, ticket_secret: 'a secret that is too short' }, 'ssl.ticket_secret',
      'ssl.ticket_secret must be at least 32 random bytes, as such or in base64 (openssl rand -base64 32), got 26 characters'],
    [{ default: pair, ticket_secret: 7 }, 'ssl.ticket_secret',
      'ssl.ticket_secret must be at least 32 random bytes, as such or in base64 (openssl rand -base64 32), got a value of type number'],
    [{ default: pair, hosts: [] }, 'ssl.hosts', 'ssl.hosts must be an object of host names, got an array'],
    [{ default: pair, hosts: { 'a.test': { cert: 'c' } } }, 'ssl.hosts.a.test.key',
      'ssl.hosts.a.test.key is missing: cert does not go without it'],
    [{ default: pair, hosts: { 'a.test': null } }, 'ssl.hosts.a.test',
      'ssl.hosts.a.test must be an object { cert, key } or { pfx }, got null'],
  ]
  for (const [ssl, key, message] of cases) {
    const error = rejection({ ssl })
    t.equal(error.message, message)
    t.equal(error.key, key)
  }
  for (const host of ['', 'https://a.test', 'a.test:443', '*', '*.', 'a.*.test', '*.*.test', 'a b', 'a/b']) {
    t.match(rejection({ ssl: { default: pair, hosts: { [host]: pair } } }).message, /is not a host name such as/, host)
  }
  t.match(rejection({ ssl: { default: pair, hosts: { 'bücher.test': pair } } }).message, /xn--/)
  for (const host of ['a.test', '*.two.test', 'A.Test', 'a.test.', 'localhost']) {
    const hosts = { [host]: pair }
    t.strictSame(mergeSettings(defaults, { ssl: { default: pair, hosts } }).ssl?.hosts, hosts)
  }
})

t.test('a logger is kept as it is, and not frozen', async (t) => {
  const logger = pino({ level: 'silent' })
  const settings = mergeSettings(defaults, { logger })
  t.equal(settings.logger, logger)
  t.notOk(Object.isFrozen(logger))
  t.equal(mergeSettings(defaults, { logger: console }).logger, console)
  t.equal(mergeSettings(settings, { logger: null }).logger, null)
})

const duration = fc.double({ min: 0.001, max: 3600, noNaN: true })
const identity = fc.oneof(
  fc.record(
    { cert: fc.constant('c.pem'), key: fc.constant('k.pem'), passphrase: fc.string() },
    { requiredKeys: ['cert', 'key'], noNullPrototype: true },
  ),
  fc.record(
    { pfx: fc.constant('p.pfx'), ca: fc.constant('ca.pem') },
    { requiredKeys: ['pfx'], noNullPrototype: true },
  ),
)
const goodConfig: fc.Arbitrary<Config> = fc.record(
  {
    ip: fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()),
    port: fc.integer({ min: 0, max: 65535 }),
    backlog: fc.integer({ min: 1, max: 65535 }),
    reuse_port: fc.boolean(),
    connection_limit: fc.integer({ min: 1, max: 1e6 }),
    requests_per_connection: fc.integer({ min: 1 }),
    max_body_size: fc.integer({ min: 0 }),
    buffer_body: fc.boolean(),
    decode_body: fc.boolean(),
    request_line_limit: fc.integer({ min: 16, max: 2 ** 20 }),
    header_count_limit: fc.integer({ min: 1, max: 10000 }),
    header_size_limit: fc.integer({ min: 16, max: 2 ** 24 }),
    min_transfer_rate: fc.double({ min: 0, max: 1e9, noNaN: true }),
    keepalive_idle_timeout: duration,
    request_header_timeout: duration,
    request_body_timeout: duration,
    tls_handshake_timeout: duration,
    send_timeout: duration,
    log_level: fc.constantFrom('debug', 'access', 'info', 'warn', 'error'),
    log_headers: fc.uniqueArray(fc.constantFrom('accept', 'x-a', 'referer')),
    half_close: fc.constantFrom('cancel', 'answer'),
    handle_signals: fc.boolean(),
    ssl: fc.option(fc.record(
      { default: identity, hosts: fc.dictionary(fc.domain(), identity, { noNullPrototype: true }) },
      { requiredKeys: ['default'], noNullPrototype: true },
    )),
    compression: fc.record(
      {
        enabled: fc.boolean(),
        min_size: fc.integer({ min: 0 }),
        types: fc.uniqueArray(fc.constantFrom('text/html', 'a/b')),
      },
      { requiredKeys: [], noNullPrototype: true },
    ),
  },
  { requiredKeys: [], noNullPrototype: true },
)

function isDeeplyFrozen(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true
  return Object.isFrozen(value) && Object.values(value).every(isDeeplyFrozen)
}

t.test('merging: what is given counts, the rest stays, and nothing is shared or changed', async () => {
  fc.assert(fc.property(goodConfig, goodConfig, (first, second) => {
    const before = structuredClone({ first, second })
    const one = mergeSettings(defaults, first)
    const snapshot = structuredClone(one)
    const two = mergeSettings(one, second)
    assert.deepStrictEqual({ first, second }, before)
    assert.deepStrictEqual(one, snapshot)
    assert.deepStrictEqual(two, {
      ...defaults, ...first, ...second,
      compression: { ...defaults.compression, ...first.compression, ...second.compression },
    })
    if (!isDeeplyFrozen(two)) throw new Error('not deeply frozen')
    assert.deepStrictEqual(mergeSettings(defaults, two), two, 'settings are a config themselves')
    assert.deepStrictEqual(mergeSettings(two, two), two)
    if (second.log_headers !== undefined && two.log_headers === second.log_headers) throw new Error('shared')
    if (Object.isFrozen(second)) throw new Error('froze what was given')
  }), { numRuns: 200 })
})

t.test('merging: anything at all is either merged or refused with a ConfigError, and changes nothing', async () => {
  const before = structuredClone(defaults)
  const anything = fc.dictionary(
    fc.oneof(fc.constantFrom(...names), fc.string()),
    fc.anything({ withNullPrototype: true, withBigInt: true, withMap: true }),
  )
  fc.assert(fc.property(goodConfig, fc.oneof(anything, fc.anything()), (good, odd) => {
    const config: unknown = typeof odd === 'object' && !Array.isArray(odd) ? { ...good, ...odd } : odd
    try {
      mergeSettings(defaults, config)
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      if (/[\r\n]/.test(error.message)) throw new Error('a message of several lines', { cause: error })
    }
    assert.deepStrictEqual(defaults, before)
  }), { numRuns: 500 })
})

t.test('suggestions: one slip leads back to a name as near as the right one', async (t) => {
  const kinds = fc.constantFrom('drop', 'add', 'change', 'swap')
  const slip = fc.tuple(fc.constantFrom(...names), fc.nat(), kinds, fc.constantFrom(...'abcxyz'))
  fc.assert(fc.property(slip, ([name, at, kind, letter]) => {
    const i = at % name.length
    const wrong =
      kind === 'drop' ? name.slice(0, i) + name.slice(i + 1)
      : kind === 'add' ? name.slice(0, i) + letter + name.slice(i)
      : kind === 'change' ? name.slice(0, i) + letter + name.slice(i + 1)
      : name.slice(0, i) + name.slice(i, i + 2).split('').reverse().join('') + name.slice(i + 2)
    fc.pre(!names.includes(wrong) && wrong !== 'p')
    const found = suggest(wrong, names)
    if (found === null) throw new Error(`nothing for ${wrong}`)
    if (editDistance(wrong, found) > 1 && found !== name) throw new Error(`${found} for ${wrong}`)
  }))
  for (const name of names) {
    const camel = name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())
    t.equal(suggest(camel, names), name)
    t.equal(suggest(name.toUpperCase(), names), name)
  }
})

t.test('editDistance', async (t) => {
  const cases: readonly (readonly [string, string, number])[] = [
    ['', '', 0], ['', 'abc', 3], ['abc', '', 3], ['abc', 'abc', 0], ['abc', 'acb', 1],
    ['kitten', 'sitting', 3], ['ab', 'ba', 1],
  ]
  for (const [a, b, distance] of cases) t.equal(editDistance(a, b), distance)
  fc.assert(fc.property(fc.string(), fc.string(), (a, b) => editDistance(a, b) === editDistance(b, a)))
})

t.test('BindError says in plain words what the system said', async (t) => {
  const system = Object.assign(new Error('listen EADDRINUSE: ...'), { errno: -constants.errno.EADDRINUSE })
  const wrapped = new Error('outer', { cause: system })
  t.match(new BindError({ ip: '127.0.0.1', port: 80 }, wrapped), {
    message: 'failed to bind 127.0.0.1:80: address already in use',
    code: 'LEVERET_BIND', ip: '127.0.0.1', port: 80, cause: wrapped,
  })
  t.equal(new BindError({ ip: '::1', port: 80 }, new Error('no such luck')).message, 'failed to bind [::1]:80: no such luck')
  t.equal(new BindError({ ip: 'a.test', port: 80 }, 'text').message, 'failed to bind a.test:80: text')
  t.match(new BindError({ path: '/run/one.sock' }, 'text'), { message: 'failed to bind /run/one.sock: text', ip: '', port: 0, path: '/run/one.sock', fd: null })
  t.match(new BindError({ fd: 3 }, 'text'), { message: 'failed to bind fd 3: text', ip: '', port: 0, path: null, fd: 3 })
})

t.test('names that every object inherits are unknown settings too', async (t) => {
  for (const name of ['constructor', 'toString', 'valueOf', 'hasOwnProperty']) {
    t.match(rejection({ [name]: 1 }).message, `unknown setting ${name}`)
    t.match(rejection({ compression: { [name]: 1 } }).message, `unknown setting compression.${name}`)
    t.match(rejection({ hsts: { max_age: 1, [name]: 1 } }).message, `unknown setting hsts.${name}`)
    t.match(rejection({ listen: [{ port: 0, [name]: 1 }] }).message, `unknown setting listen[0].${name}`)
    t.match(rejection({ ssl: { default: { cert: 'c', key: 'k', [name]: 1 } } }).message, `unknown setting ssl.default.${name}`)
  }
})
