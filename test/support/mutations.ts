import type { Random } from './seed.js'

/** Requests that a server responds to, and the parts of which others are made. */
const valid = [
  'GET / HTTP/1.1\r\nHost: t\r\n\r\n',
  'GET /path?a=b&c HTTP/1.1\r\nHost: t:80\r\nAccept: */*\r\nAccept-Encoding: gzip\r\nConnection: keep-alive\r\n\r\n',
  'HEAD /head HTTP/1.1\r\nHost: t\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: t\r\n\r\n',
  'GET http://u:8080/abs HTTP/1.1\r\nHost: t\r\n\r\n',
  'GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
  'POST /sized HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello',
  'POST /chunked HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n' +
    '5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\nX-T: u\r\n\r\n',
  'PUT /expect HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc',
  'POST /empty HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n',
  'DELETE /close HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n',
  'GET /long HTTP/1.1\r\nHost: t\r\nCookie: a=1\r\nCookie: b=2\r\nX-Empty:\r\nX-Latin: \xe9\r\n\r\n',
]

const pieces = [
  '\r\n', '\n', '\r', '\r\n\r\n', '\0', ' ', '\t', ':', ';', ',', '/', '?', '*', '0', '1', '00000000', 'ffffffff',
  '\xff', '\x80', 'A',
  'Host: t\r\n', 'Content-Length: 3\r\n', 'Transfer-Encoding: chunked\r\n', 'Connection: close\r\n', 'HTTP/1.1',
  'HTTP/1.0',
  'Expect: 100-continue\r\n', 'GET / HTTP/1.1\r\nHost: t\r\n\r\n', '5\r\nhello\r\n', '0\r\n\r\n', ' \r\n', '\r\n ',
  'x'.repeat(300),
]

/** A few requests behind each other, most of them spoiled here and there. latin1 text. */
export function fuzzedRequests(random: Random): string {
  let text = ''
  for (let count = 1 + random.below(4); count > 0; count--) {
    let request = random.pick(valid)
    for (let spoiled = random.pick([0, 0, 0, 1, 1, 2, 5]); spoiled > 0; spoiled--) request = spoil(request, random)
    text += request
  }
  return random() < 0.1 ? text.slice(0, random.below(text.length)) : text
}

function spoil(text: string, random: Random): string {
  const at = random.below(text.length + 1)
  const length = 1 + random.below(4)
  switch (random.below(7)) {
    case 0:
      return text.slice(0, at) + text.slice(at + length)
    case 1:
      return text.slice(0, at) + String.fromCharCode(random.below(256)) + text.slice(at + 1)
    case 2:
      return text.slice(0, at) + text.slice(at, at + 20).repeat(2) + text.slice(at + 20)
    case 3: {
      const bit = String.fromCharCode((text.charCodeAt(Math.min(at, text.length - 1)) || 0) ^ (1 << random.below(8)))
      return text.slice(0, at) + bit + text.slice(at + 1)
    }
    case 4: {
      const digit = text.search(/[0-9](?=\r\n)/)
      const other = random.pick(['9', '0', '-1', '99999999999999999999', '0x5', ''])
      return digit < 0 ? text : text.slice(0, digit) + other + text.slice(digit + 1)
    }
    default:
      return text.slice(0, at) + random.pick(pieces) + text.slice(at)
  }
}
