import fc from 'fast-check'
import t from 'tap'
import { clearCookie, cookies, setCookie, type CookieOptions } from '../../../../lib/web/router/index.js'

t.test('cookies of a request', async (t) => {
  const cases: [header: string | undefined, found: Record<string, string>][] = [
    [undefined, {}], ['', {}], [';', {}], ['=', {}], ['=x', {}], ['x', {}], ['a=', { a: '' }], ['a=b', { a: 'b' }], ['a=b; c=d', { a: 'b', c: 'd' }], ['a=b;c=d', { a: 'b', c: 'd' }],
    ['a=b; ; c=d;', { a: 'b', c: 'd' }], ['a=1; a=2', { a: '1' }], ['a==b=', { a: '=b=' }], [' a = b ', { a: 'b' }], ['a="b c"', { a: 'b c' }], ['a="', { a: '"' }],
    ['a=%20%C3%A9', { a: ' é' }], ['a=%', { a: '%' }], ['a=%zz%20', { a: '%zz%20' }], ['a=%C3', { a: '%C3' }], ['__proto__=1; constructor=2', JSON.parse('{"__proto__":"1","constructor":"2"}') as Record<string, string>],
  ]
  for (const [cookie, found] of cases) {
    const given = cookies({ cookie })
    t.strictSame(Object.entries(given), Object.entries(found), String(cookie))
    t.equal(Object.getPrototypeOf(given), null)
  }
  t.equal(cookies({}).toString, undefined)
})

t.test('Set-Cookie', async (t) => {
  const rest = '; HttpOnly; Secure; SameSite=Lax'
  const cases: [text: string, name: string, value: string, options?: CookieOptions][] = [
    [`sid=abc; Path=/${rest}`, 'sid', 'abc'],
    [`sid=; Path=/${rest}`, 'sid', ''],
    [`a=%20%3B%2C%22%5C%25%C3%A9%0D%0A; Path=/${rest}`, 'a', ' ;,"\\%é\r\n'],
    [`a=b=c&d:/?; Path=/${rest}`, 'a', 'b=c&d:/?'],
    ['a=b; Path=/x; Domain=a.test; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT; SameSite=Strict', 'a', 'b', {
      path: '/x', domain: 'a.test', maxAge: 60, expires: new Date(0), httpOnly: false, secure: false, sameSite: 'Strict',
    }],
    ['a=b; Path=/; HttpOnly; Secure; SameSite=None; Partitioned', 'a', 'b', { sameSite: 'None', partitioned: true }],
    [`__Host-a=b; Path=/${rest}`, '__Host-a', 'b', { domain: null, path: null, secure: null }],
    [`a=b; Path=/; Max-Age=-1${rest}`, 'a', 'b', { maxAge: -1 }],
  ]
  for (const [text, name, value, options] of cases) t.equal(setCookie(name, value, options), text)
  t.equal(clearCookie('a', { domain: 'a.test', path: '/x', maxAge: 9, expires: new Date(0) }), `a=; Path=/x; Domain=a.test; Max-Age=0${rest}`)
  const refused: [argument: string, name: string, value: string, options?: CookieOptions][] = [
    ['name', '', 'b'], ['name', 'a b', 'b'], ['name', 'a=', 'b'], ['name', 'a;', 'b'], ['name', 'é', 'b'], ['maxAge', 'a', 'b', { maxAge: 1.5 }], ['maxAge', 'a', 'b', { maxAge: Infinity }],
    ['expires', 'a', 'b', { expires: new Date(NaN) }], ['domain', 'a', 'b', { domain: 'a; b' }], ['domain', 'a', 'b', { domain: '' }], ['path', 'a', 'b', { path: 'x' }],
    ['path', 'a', 'b', { path: '/;x' }], ['path', 'a', 'b', { path: '/\r\n' }], ['secure', 'a', 'b', { secure: false, sameSite: 'None' }], ['secure', 'a', 'b', { secure: false, partitioned: true }],
    ['secure', '__Secure-a', 'b', { secure: false }], ['name', '__Host-a', 'b', { path: '/x' }], ['name', '__host-a', 'b', { domain: 'a.test' }], ['value', 'a', 'x'.repeat(4096)],
    ...([
      ['name', 7, 'b'], ['value', 'a', 7], ['value', 'a', undefined], ['options', 'a', 'b', null], ['maxage', 'a', 'b', { maxage: 1 }], ['sameSite', 'a', 'b', { sameSite: 'Lax; Domain=b' }],
      ['sameSite', 'a', 'b', { sameSite: true }], ['secure', 'a', 'b', { secure: 'false' }], ['expires', 'a', 'b', { expires: 1 }], ['domain', 'a', 'b', { domain: 7 }], ['maxAge', 'a', 'b', { maxAge: '1' }],
    ] as unknown as [string, string, string, CookieOptions][]),
  ]
  for (const [argument, ...given] of refused) t.throws(() => setCookie(...given), { code: 'LEVERET_ARGUMENT', argument } as never, JSON.stringify(given))
})

t.test('a value comes back as it was set', async () => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (value) => {
    const [pair] = setCookie('a', value).split(';')
    return cookies({ cookie: pair }).a === value
  }))
})
