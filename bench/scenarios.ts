/** What a server's handler does, the same in each server of `servers/`. */
export const tasks = ['hello', 'headers', 'echo'] as const
export type TaskName = (typeof tasks)[number]

/** One kind of load. */
export interface Scenario {
  /** What `--only` takes. */
  readonly name: string
  readonly title: string
  /** What the server has to do for one request. */
  readonly task: TaskName
  /** Over TLS. */
  readonly secure: boolean
  /** Bytes that a client sends at once, before it waits for all the answers. latin1. */
  readonly request: string
  /** Requests in `request`. */
  readonly depth: number
}

/** Connections that the load holds open, each with one `request` under way. */
export const connections = 64

const host = 'Host: bench.test\r\n'

const bare = `GET / HTTP/1.1\r\n${host}\r\n`

/** What a browser sends, `Host` included: 12 fields. */
const browser = [
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

/** Text of 1 KB in which no two places look the same. */
const content = Array.from({ length: 128 }, (_, line) => `${String(line).padStart(7, '.')}\n`).join('')

const echo = `POST /echo HTTP/1.1\r\n${host}Content-Type: text/plain\r\nContent-Length: ${content.length}\r\n\r\n${content}`

export const scenarios: readonly Scenario[] = [
  { name: 'bare', title: 'bare GET, keep-alive', task: 'hello', secure: false, request: bare, depth: 1 },
  { name: 'headers', title: 'GET, 12 browser headers', task: 'headers', secure: false, request: browser, depth: 1 },
  { name: 'pipeline', title: 'GET, 16 pipelined', task: 'hello', secure: false, request: bare.repeat(16), depth: 16 },
  { name: 'echo', title: 'POST echo, 1 KB', task: 'echo', secure: false, request: echo, depth: 1 },
  { name: 'https', title: 'bare GET, HTTPS keep-alive', task: 'hello', secure: true, request: bare, depth: 1 },
]
