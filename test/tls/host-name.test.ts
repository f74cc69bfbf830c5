import t from 'tap'
import { normalHostName, normalHostPattern } from '../../tls/host-name.js'

t.test('host names have one normal form', async (t) => {
  const long = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`
  for (const [given, normal] of [
    ['example.com', 'example.com'],
    ['EXAMPLE.Com', 'example.com'],
    ['example.com.', 'example.com'],
    ['localhost', 'localhost'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
    ['under_score.example', 'under_score.example'],
    ['127.0.0.1', '127.0.0.1'],
    [long, long],
    [`${long}.`, long],
    [`${long}e`, null],
    ['', null],
    ['.', null],
    ['..', null],
    ['.example.com', null],
    ['example..com', null],
    ['example.com..', null],
    ['-example.com', null],
    ['example-.com', null],
    [`${'a'.repeat(64)}.com`, null],
    ['*.example.com', null],
    ['exa mple.com', null],
    ['example.com\0', null],
    ['example.com\n', null],
    ['example.com:443', null],
    ['bücher.example', null],
    ['\u212Aelvin.example', null],
    ['::1', null],
  ] as const) t.equal(normalHostName(given), normal, JSON.stringify(given))
})

t.test('what a certificate may be listed for', async (t) => {
  t.equal(normalHostPattern('Example.COM.'), 'example.com')
  t.equal(normalHostPattern('*.Example.org.'), '*.example.org')
  for (const [given, message] of [
    ['*', /default identity/],
    ['*.', /wildcard/],
    ['www*.example.com', /wildcard/],
    ['a.*.example.com', /wildcard/],
    ['*.*.example.com', /wildcard/],
    ['127.0.0.1', /IP addresses/],
    ['::1', /IP addresses/],
    ['[::1]', /IP addresses/],
    ['example.com:443', /no port/],
    ['bücher.example', /xn--/],
    ['https://example.com', /not a host name/],
    ['', /not a host name/],
    ['exa mple.com', /not a host name/],
  ] as const) t.throws(() => normalHostPattern(given), message, JSON.stringify(given))
})
