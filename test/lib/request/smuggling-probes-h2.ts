import { h2Request, type Fields } from '../../support/h2-wire.js'
import { hidden } from './smuggling-probes.js'

// Requests of HTTP/2 that become others when a proxy writes them as HTTP/1.1 without looking at them.

interface Parts {
  readonly method?: string
  readonly path?: string
  readonly authority?: string
  readonly scheme?: string
  readonly fields?: Fields
  readonly body?: string | null
  readonly trailers?: Fields
}

function first({ method = 'POST', path = '/first', authority = 't', scheme = 'http', fields = [], body = hidden, trailers }: Parts): Buffer {
  const pseudo: Fields = [[':method', method], [':scheme', scheme], [':path', path], [':authority', authority]]
  return h2Request(1, [...pseudo, ...fields], body, trailers ?? null)
}

const injected = `HTTP/1.1\r\nHost: t\r\n\r\nGET /smuggled`
const chunked = `0\r\n\r\n${hidden}`

export const h2Probes: Record<string, Buffer> = {
  'no length': first({}),
  'a length': first({ fields: [['content-length', `${hidden.length}`]] }),
  'a length of 0': first({ fields: [['content-length', '0']] }),
  'a length that is too short': first({ fields: [['content-length', '5']] }),
  'a length that is too long': first({ fields: [['content-length', '500']] }),
  'two lengths': first({ fields: [['content-length', '0'], ['content-length', `${hidden.length}`]] }),
  'the same length twice': first({ fields: [['content-length', `${hidden.length}`], ['content-length', `${hidden.length}`]] }),
  'a list of lengths': first({ fields: [['content-length', `${hidden.length}, ${hidden.length}`]] }),
  'a length with a sign': first({ fields: [['content-length', `+${hidden.length}`]] }),
  'a length with zeros': first({ fields: [['content-length', `000${hidden.length}`]] }),
  'a length in hexadecimal': first({ fields: [['content-length', '0x0']] }),
  'a length with spaces': first({ fields: [['content-length', ' 0 ']] }),
  'a length that is empty': first({ fields: [['content-length', '']] }),
  'Transfer-Encoding': first({ fields: [['transfer-encoding', 'chunked']], body: chunked }),
  'Transfer-Encoding and a length': first({ fields: [['transfer-encoding', 'chunked'], ['content-length', `${chunked.length}`]], body: chunked }),
  'Transfer-Encoding in capitals': first({ fields: [['Transfer-Encoding', 'chunked']], body: chunked }),
  'Transfer-Encoding with an underscore': first({ fields: [['transfer_encoding', 'chunked']], body: chunked }),
  'TE': first({ fields: [['te', 'chunked']], body: chunked }),
  'Connection': first({ fields: [['connection', 'content-length'], ['content-length', `${hidden.length}`]] }),
  'Upgrade': first({ fields: [['connection', 'upgrade'], ['upgrade', 'h2c']] }),
  'CRLF in a value': first({ fields: [['x', 'y\r\nTransfer-Encoding: chunked']], body: chunked }),
  'CRLF CRLF in a value': first({ fields: [['x', `y\r\n\r\n${hidden}`]], body: null }),
  'LF in a value': first({ fields: [['x', 'y\nTransfer-Encoding: chunked']], body: chunked }),
  'CR in a value': first({ fields: [['x', 'y\rTransfer-Encoding: chunked']], body: chunked }),
  'NUL in a value': first({ fields: [['x', 'y\0\r\nTransfer-Encoding: chunked']], body: chunked }),
  'CRLF at the end of a value': first({ fields: [['x', 'y\r\n']] }),
  'CRLF in a name': first({ fields: [['x: y\r\ntransfer-encoding', 'chunked']], body: chunked }),
  'a colon in a name': first({ fields: [['transfer-encoding: chunked\r\nx', 'y']], body: chunked }),
  'a space in a name': first({ fields: [['transfer-encoding ', 'chunked']], body: chunked }),
  'an empty name': first({ fields: [['', 'transfer-encoding: chunked']], body: chunked }),
  'CRLF in the path': first({ path: `/first ${injected}`, body: null }),
  'a space in the path': first({ path: '/first HTTP/1.1 x', body: null }),
  'a tab in the path': first({ path: '/first\tHTTP/1.1', body: null }),
  'an empty path': first({ path: '', body: null }),
  'an absolute path': first({ path: 'http://u/first', body: null }),
  'CRLF in the method': first({ method: `GET /first ${injected.replace('GET ', 'POST ')} HTTP/1.1\r\nX: `, body: null }),
  'a space in the method': first({ method: 'GET /smuggled HTTP/1.1\r\nX:', body: null }),
  'CRLF in the authority': first({ authority: `t\r\n\r\n${hidden}`, body: null }),
  'a path in the authority': first({ authority: 't/x', body: null }),
  'a space in the scheme': first({ scheme: 'http://t/smuggled?', body: null }),
  'CRLF in the scheme': first({ scheme: `http\r\n\r\n${hidden}`, body: null }),
  'another Host': first({ fields: [['host', 'u']] }),
  'a pseudo-field twice': first({ fields: [[':path', '/smuggled']] }),
  'a pseudo-field behind others': first({ fields: [['x', 'y'], [':authority', 'u']] }),
  'Expect': first({ fields: [['expect', '100-continue']] }),
  'GET with content': first({ method: 'GET' }),
  'HEAD with content': first({ method: 'HEAD' }),
  'CONNECT': first({ method: 'CONNECT' }),
  'trailers': first({ trailers: [['x', 'y']] }),
  'Content-Length in the trailers': first({ trailers: [['content-length', '0']] }),
  'Transfer-Encoding in the trailers': first({ trailers: [['transfer-encoding', 'chunked']] }),
  'CRLF in the trailers': first({ trailers: [['x', `y\r\n\r\n${hidden}`]] }),
  'a pseudo-field in the trailers': first({ trailers: [[':path', '/smuggled']] }),
}
