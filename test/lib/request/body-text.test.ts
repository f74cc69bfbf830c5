import fc from 'fast-check'
import t from 'tap'
import { decodeText, decodeValue } from '../../../lib/request/body-text.js'
import { mediaTypeOf } from '../../../lib/http1/parameters.js'
import type { Handler } from '../../../lib/index.js'
import { seed } from '../../support/seed.js'
import { request, serve } from '../../support/serving.js'

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

t.test('the text of a body: by its charset, without its byte order mark', async (t) => {
  const cases: [charset: string | undefined, bytes: string, text: string | number][] = [
    [undefined, 'x\xc3\xa9', 'xé'],
    [undefined, '', ''],
    [undefined, '\xef\xbb\xbf{}', '{}'],
    [undefined, '\xef\xbb\xbf\xef\xbb\xbf', '\ufeff'],
    [undefined, '\xff\xfea\0', 'a'],
    [undefined, '\xe9', 400],
    [undefined, '\xc3', 400],
    [undefined, '\xed\xa0\x80', 400],
    ['utf-8', '\xe2\x82\xac', '€'],
    ['UTF8', '\xe2\x82\xac', '€'],
    ['iso-8859-1', '\xe9\x80\x81\xff', 'é€\x81ÿ'],
    ['latin1', '\xef\xbb\xbf\xc3\xa9', 'é'],
    ['us-ascii', 'a', 'a'],
    ['windows-1252', '\x93x\x94', '“x”'],
    ['iso-8859-15', '\xa4', '€'],
    ['utf-16', 'a\0\xac\x20', 'a€'],
    ['utf-16', '\xfe\xff\0a', 'a'],
    ['utf-16be', '\0a', 'a'],
    ['utf-16le', 'a', 400],
    ['utf-16le', '\0\xd8', 400],
    ['utf-16be', '\xdc\0\0a', 400],
    ['shift_jis', '\x83\x6e', 'ハ'],
    ['shift_jis', '\x83', 400],
    ['gbk', '\xa2\xe3', '€'],
    ['koi8-u', '\xa4', 'є'],
    ['koi8-u', '\xae', 400],
    ['windows-1253', '\xe1', 'α'],
    ['windows-1253', '\xaa', 400],
    ['utf-7', 'a', 415],
    ['utf-32', 'a', 415],
    ['iso-8859-16', 'a', 415],
    ['x-user-defined', 'a', 415],
    ['klingon', 'a', 415],
    ['', 'a', 415],
  ]
  for (const [charset, given, text] of cases) {
    const name = `${charset} ${JSON.stringify(given)}`
    if (typeof text === 'string') t.equal(decodeText(bytes(given), charset), text, name)
    else t.throws(() => decodeText(bytes(given), charset), { name: 'BodyError', status: text }, name)
  }
  t.equal(decodeValue(bytes('\xef\xbb\xbfa'), undefined), '\ufeffa', 'of a value it is a part')
})

t.test('every text in UTF-8 and UTF-16 comes back; no bytes at all give a replacement character that they do not hold', async (t) => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => {
    if (text.startsWith('\ufeff')) return
    t.equal(decodeText(Buffer.from(text), undefined), text)
    t.equal(decodeText(Buffer.from(text, 'utf16le'), 'utf-16'), text)
  }), { seed })
  const charsets = fc.constantFrom(undefined, 'utf-16be', 'windows-1252', 'windows-1251', 'euc-jp', 'big5', 'gb18030', 'macintosh')
  fc.assert(fc.property(fc.uint8Array({ maxLength: 12 }), charsets, (given, charset) => {
    const sent = Buffer.from(given)
    try {
      const text = decodeText(sent, charset)
      t.ok(charset !== undefined || !text.includes('\ufffd') || sent.includes('\ufffd'), `${sent.toString('hex')} ${charset}`)
    } catch (error) {
      t.match(error, { name: 'BodyError', status: 400 })
    }
  }), { seed })
})

t.test('media types and their parameters', async (t) => {
  const cases: [string | undefined, string, Record<string, string>][] = [
    [undefined, '', {}],
    ['Text/Plain', 'text/plain', {}],
    ['text/plain; charset=UTF-8', 'text/plain', { charset: 'UTF-8' }],
    ['text/plain;CHARSET="a\\"b;c" ; x=y;', 'text/plain', { charset: 'a"b;c', x: 'y' }],
    ['text/plain ;; charset=x', 'text/plain', { charset: 'x' }],
    ['multipart/form-data; boundary=--=_Part_1/2:3 ; a=b', 'multipart/form-data', { boundary: '--=_Part_1/2:3', a: 'b' }],
    ['text/plain; charset', 'text/plain', {}],
    ['text/plain; charset=', 'text/plain', {}],
    ['text/plain; charset="x', 'text/plain', {}],
    ['text/plain; charset="x"y', 'text/plain', {}],
    ['text/plain; charset=x; charset=y', 'text/plain', {}],
    ['text/plain; =x', 'text/plain', {}],
  ]
  for (const [given, type, parameters] of cases) {
    const found = mediaTypeOf(given)
    t.strictSame([found.type, Object.fromEntries(found.parameters)], [type, parameters], String(given))
  }
})

t.test('text and JSON of a request, buffered or as it arrives', async (t) => {
  const handle: Handler = function* (_method, query, _args, _headers, _body, ctx) {
    return query === '/json' ? JSON.stringify(yield* ctx.body.json()) : yield* ctx.body.text()
  }
  for (const buffer_body of [true, false]) {
    const { ask, log } = await serve(t, { buffer_body }, handle)
    const send = async (path: string, type: string, body: string): Promise<string> => {
      const response = await ask(request(`POST ${path}`, { 'Content-Type': type }, body))
      return `${response.status} ${response.body}`
    }
    t.equal(await send('/', 'text/plain', '\xe2\x82\xac'), '200 €')
    t.equal(await send('/', 'text/plain; charset="ISO-8859-1"', '\xe9\x80'), '200 é€')
    t.equal(await send('/', 'text/plain', '\xe9'), '400 Bad Request: the text is not utf-8\n')
    t.equal(await send('/', 'text/plain; charset=klingon', 'x'), '415 Unsupported Media Type: unsupported charset\n')
    t.equal(await send('/json', 'application/json', '\xef\xbb\xbf{"a":"\xc3\xa9"}'), '200 {"a":"é"}')
    t.equal(await send('/json', 'application/json; charset=iso-8859-1', '"\xe9"'), '200 "é"')
    t.equal(await send('/json', 'application/json', '"\xe9"'), '400 Bad Request: the text is not utf-8\n')
    t.equal(await send('/json', 'application/json; charset=utf-16', '"\0a\0"\0'), '200 "a"')
    t.equal(await send('/json', 'application/json; charset=klingon', '1'), '415 Unsupported Media Type: unsupported charset\n')
    t.strictSame(log.of('error'), [])
  }
})

t.test('no charset takes much more time than another', async (t) => {
  const cost = (charset: string, byte: number): number => {
    const given = Buffer.alloc(1024 * 1024, byte)
    let least = Infinity
    for (let round = 0; round < 4; round++) {
      const before = process.cpuUsage()
      decodeText(given, charset)
      const { user, system } = process.cpuUsage(before)
      least = Math.min(least, user + system)
    }
    return least
  }
  const usual = cost('koi8-r', 0xc1)
  for (const [charset, byte] of [['windows-1252', 0x80], ['iso-8859-1', 0x9f], ['gb18030', 0x81], ['utf-16', 0x41], ['big5', 0xa4], ['windows-1253', 0xc1]] as const) {
    const times = cost(charset, byte) / usual
    t.ok(times < 15, `${charset}: ${times.toFixed(1)} times`)
  }
})
