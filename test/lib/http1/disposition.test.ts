import fc from 'fast-check'
import t from 'tap'
import { formDisposition } from '../../../lib/http1/disposition.js'
import { seed } from '../../support/seed.js'

t.test('names and filenames of a form', async (t) => {
  const cases: [disposition: string, name: string | null, filename?: string | null][] = [
    ['form-data; name="a"', 'a'],
    ['Form-Data;NAME="a"', 'a'],
    ['form-data; name=a', 'a'],
    ['form-data ; name = "a"', null],
    ['form-data; name="a";', 'a'],
    ['form-data; name=""', ''],
    ['form-data; name="a b;c=d"', 'a b;c=d'],
    ['form-data; name="ü"; filename="日本.txt"', 'ü', '日本.txt'],
    ['form-data; name="a%22b%0D%0Ac%20%2522"', 'a"b\r\nc%20%2522'],
    ['form-data; name="%0d%0a%5C"', '%0d%0a%5C'],
    ['form-data; name="f"; filename="C:\\new\\table.txt"', 'f', 'C:\\new\\table.txt'],
    ['form-data; name="a\\"; filename="x\\"', 'a\\', 'x\\'],
    ['form-data; name="f"; filename="a\\"b\\".txt"', 'f', 'a"b".txt'],
    ['form-data; name="f"; filename="\\""', 'f', '"'],
    ['form-data; name="f"; filename=""', 'f', ''],
    ['form-data; filename="x"; name="f"', 'f', 'x'],
    ['form-data; name="f"; filename="../a/b.txt"', 'f', 'b.txt'],
    ['form-data; name="f"; filename="dir/"', 'f', ''],
    ['form-data; name="f"; filename=a.txt', 'f', 'a.txt'],
    ["form-data; name=\"f\"; filename*=UTF-8''%C3%BC%20x.txt", 'f', 'ü x.txt'],
    ["form-data; name=\"f\"; filename*=utf-8'de'x.txt", 'f', 'x.txt'],
    ["form-data; name=\"f\"; filename=\"a\"; filename*=utf-8''b", 'f', 'a'],
    ["form-data; name=\"f\"; filename*=utf-8''%FF", null],
    ["form-data; name=\"f\"; filename*=latin1''x", null],
    ['form-data; name="f"; filename*=x', null],
    ['', null],
    ['form-data', null],
    ['form-data; filename="x"', null],
    ['attachment; name="a"', null],
    ['form-datax; name="a"', null],
    ['form-data; name="a', null],
    ['form-data; name="a"b"', null],
    ['form-data; name="a" b', null],
    ['form-data; name="a"; name="b"', null],
    ['form-data; name="a", form-data; name="b"', null],
    ['form-data, name="a"', null],
  ]
  for (const [text, name, filename = null] of cases) {
    t.strictSame(formDisposition(text), name === null ? null : { name, filename }, text)
  }
})

t.test('every name that a browser writes comes back', async (t) => {
  const browser = (name: string): string => name.replace(/\r\n|\r|\n/g, '%0D%0A').replaceAll('"', '%22')
  const text = fc.array(fc.oneof(fc.constantFrom('"', '\\', '\r\n', ';', '=', ' ', '%', '2', "'"), fc.string({ unit: 'grapheme', maxLength: 3 })), { maxLength: 8 })
    .map((parts) => parts.join('').replace(/%22|%0D|%0A|\r(?!\n)|(?<!\r)\n|\//g, ''))
  fc.assert(fc.property(text, text, (name, filename) => {
    t.strictSame(formDisposition(`form-data; name="${browser(name)}"; filename="${browser(filename)}"`), { name, filename }, JSON.stringify([name, filename]))
  }), { seed })
})
