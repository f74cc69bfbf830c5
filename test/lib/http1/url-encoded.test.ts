import fc from 'fast-check'
import t from 'tap'
import { FIELD, UrlEncodedReader } from '../../../lib/http1/url-encoded.js'
import { seed } from '../../support/seed.js'
import { bytewise } from '../../support/bytewise.js'

/** The fields of a body that comes in these pieces. */
function fieldsOf(pieces: readonly Buffer[]): [string, string][] {
  const reader = new UrlEncodedReader()
  const fields: [string, string][] = []
  const add = (): number => fields.push([reader.name.toString(), reader.value.toString()])
  for (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      const { event, position } = reader.next(piece, at, piece.length)
      if (event === FIELD) add()
      at = position
    }
  }
  if (reader.end()) add()
  return fields
}

/** Node.js 20 to 26 take each character for a byte where escapes and characters beyond ASCII stand together. */
function expected(text: string): [string, string][] {
  return [...new URLSearchParams(text.replaceAll('ü', '%C3%BC'))]
}

t.test('fields as the WHATWG has them', async (t) => {
  for (const text of ['', 'a=1', 'a=1&b=2', 'a', 'a=', '=a', '=', '&&a=1&&', 'a=b=c', 'a+b=c+d', '%61=%41', 'a=%C3%BC', 'a=%', 'a=%4', 'a=%4&b=%41',
    'a=%%41', 'a=%4%41', 'a=%zz', '%=%', 'a=%3D%26&b', 'ü=ü', '%41ü=ü%41', `a=${'x'.repeat(5000)}`]) {
    t.strictSame(fieldsOf([Buffer.from(text)]), expected(text), text.slice(0, 40))
  }
})

t.test('any body, cut anywhere: what URLSearchParams says', async (t) => {
  const body = fc.array(fc.constantFrom('a', 'b', '=', '&', '+', '%', '4', '1', '%41', '%26', 'ü', 'x'.repeat(300)), { maxLength: 16 }).map((parts) => parts.join(''))
  fc.assert(fc.property(body, (text) => {
    const bytes = Buffer.from(text)
    const whole = expected(text)
    t.ok(JSON.stringify(fieldsOf(bytewise(bytes))) === JSON.stringify(whole), `seed ${seed}: ${text}`)
    for (let cut = 0; cut <= Math.min(bytes.length, 60); cut++) {
      const found = fieldsOf([bytes.subarray(0, cut), bytes.subarray(cut)])
      if (JSON.stringify(found) !== JSON.stringify(whole)) t.strictSame(found, whole, `seed ${seed}: ${text} cut at ${cut}`)
    }
  }), { seed })
})
