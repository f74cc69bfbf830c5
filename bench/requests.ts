import { noise, prose } from './content.js'
import { todoToken } from './tasks.js'

/** The bytes of the requests, latin1. */

const host = 'Host: bench.test\r\n'

export const bare = get('/')

/** A GET with a Host header and nothing else. */
export function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\n${host}\r\n`
}

/** The connection is to be closed behind the response. */
export const last = `GET / HTTP/1.1\r\n${host}Connection: close\r\n\r\n`

/** What a browser sends, `Host` included: 12 fields. */
export const browser = [
  'GET /page?id=42 HTTP/1.1',
  'Host: bench.test',
  'Connection: keep-alive',
  'Cache-Control: max-age=0',
  'Upgrade-Insecure-Requests: 1',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36',
  'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8',
  'Sec-Fetch-Site: same-origin',
  'Sec-Fetch-Mode: navigate',
  'Referer: http://bench.test/page?id=41',
  'Accept-Encoding: gzip, deflate, br, zstd',
  'Accept-Language: en-US,en;q=0.9,de;q=0.8',
  'Cookie: session=8f14e45fceea167a5a36dedd4bea2543; theme=dark; consent=1',
  '\r\n',
].join('\r\n')

export const gzip = `GET / HTTP/1.1\r\n${host}Accept-Encoding: gzip\r\n\r\n`

export function post(content: string, type = 'text/plain'): string {
  return `POST /echo HTTP/1.1\r\n${host}Content-Type: ${type}\r\nContent-Length: ${content.length}\r\n\r\n${content}`
}

/** The two requests of the fetch application. */
export const user = `GET /users/ann HTTP/1.1\r\n${host}\r\n`
export const json = post(
  JSON.stringify({ id: 12345, name: 'a name of some length', tags: ['one', 'two', 'three'], nested: { flag: true, price: 12.5 } }),
  'application/json',
)

/** As `post`, chunked: pieces of 256 bytes. */
export function postChunked(content: string): string {
  let chunks = ''
  for (let at = 0; at < content.length; at += 256) {
    const part = content.slice(at, at + 256)
    chunks += `${part.length.toString(16)}\r\n${part}\r\n`
  }
  return `POST /echo HTTP/1.1\r\n${host}Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`
}

/** Text of `size` bytes to send. */
export const text = prose

/** Bytes to send, as a string of latin1. */
export function bytes(size: number): string {
  return noise(size).toString('latin1')
}

/** As a page of another origin sends it, after log in. */
function todo(line: string, content = ''): string {
  const fields = [`Cookie: theme=dark; session=${todoToken}`, 'Origin: http://localhost:5173', 'Accept: application/json']
  if (content !== '') fields.push('Content-Type: application/json', `Content-Length: ${content.length}`)
  return `${line} HTTP/1.1\r\n${host}${fields.join('\r\n')}\r\n\r\n${content}`
}

export const todoList = todo('GET /todos?done=true&page=2')
export const todoOne = todo('GET /todos/42')
export const todoCreate = todo('POST /todos', '{"title":"measure it","done":false}')
