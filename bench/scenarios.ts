import {
  bare, browser, bytes, get, gzip, json, last, post, postChunked, text, todoCreate, todoList, todoOne, user,
} from './requests.js'
import type { TaskName } from './tasks.js'

interface Named {
  /** What `--only` takes. */
  readonly name: string
  readonly title: string
  /** `--quick` runs it, too. */
  readonly quick: boolean
}

/** What every kind of closed loop has. */
interface Common extends Named {
  /** What the server has to do for one request. */
  readonly task: TaskName
  /** Over TLS. */
  readonly secure: boolean
  /** Connections that the load holds open. */
  readonly connections: number
  /** Requests that a client sends at once, before it waits for all the responses. */
  readonly depth: number
}

/** Requests over and over: the next one when the last one has its response. */
export interface HttpScenario extends Common {
  readonly kind: 'http'
  /** What makes the load: wrk, or the generator that makes a new TLS handshake for each request, which wrk does not. */
  readonly load: 'wrk' | 'handshake'
  /** Bytes that are sent at once (`depth` requests), latin1. Several of them take turns. */
  readonly requests: () => readonly string[]
  /** Whether a server may choose between Content-Length and chunks. */
  readonly freeFraming: boolean
}

/** Messages over and over, `depth` of them under way on each WebSocket. */
export interface WebSocketScenario extends Common {
  readonly kind: 'websocket'
  /** What is sent, and comes back. */
  readonly payload: () => Buffer
  /** As text; else as bytes. */
  readonly asText: boolean
}

/** Closed loops. */
export type ClosedScenario = HttpScenario | WebSocketScenario

/** An open loop: requests are sent by a schedule, at shares of what the slowest peer can do, whatever becomes of them. */
export interface LatencyScenario extends Named {
  readonly kind: 'latency'
  readonly of: HttpScenario
  readonly shares: readonly number[]
}

/** Many open connections, most of them idle, and a load on some more; or pipelines of several depths. */
export interface CurveScenario extends Named {
  readonly kind: 'connections' | 'backlog'
  readonly of: HttpScenario
  readonly steps: readonly number[]
}

export type Scenario = ClosedScenario | LatencyScenario | CurveScenario

type Given = Partial<Omit<HttpScenario, 'name' | 'title' | 'requests' | 'kind'>>

function http(name: string, title: string, requests: () => readonly string[], given: Given): HttpScenario {
  const usual = { task: 'hello' as const, secure: false, connections: 64, depth: 1, quick: true }
  return { kind: 'http', load: 'wrk', freeFraming: false, name, title, requests, ...usual, ...given }
}

function webSocket(name: string, title: string, size: number, asText: boolean, depth: number): WebSocketScenario {
  const usual = { task: 'websocket' as const, secure: false, connections: 64, quick: true }
  return { kind: 'websocket', name, title, payload: () => Buffer.from(text(size)), asText, depth, ...usual }
}

const kilobyte = (): string => text(1024)

export const closed: readonly ClosedScenario[] = [
  http('bare', 'bare GET, keep-alive', () => [bare], {}),
  http('headers', 'GET, 12 browser headers', () => [browser], { task: 'headers' }),
  http('json', 'GET, JSON of 2 KB', () => [bare], { task: 'json' }),
  http('pipeline', 'GET, 16 pipelined', () => [bare.repeat(16)], { depth: 16 }),
  http('echo', 'POST echo, 1 KB', () => [post(kilobyte())], { task: 'echo' }),
  http('echo-large', 'POST echo, 1 MB', () => [post(text(2 ** 20))], { quick: false, task: 'echo', connections: 16 }),
  http('mix', 'GET, POST with Content-Length, POST chunked', () => [bare, post(kilobyte()), postChunked(kilobyte())], {
    quick: false, task: 'mix',
  }),
  http('gzip', 'text of 20 KB, gzip', () => [gzip], { task: 'gzip', freeFraming: true }),
  http('stream', 'streamed response, 100 pieces', () => [bare], { task: 'stream', freeFraming: true }),
  http('text', 'text of 1 MB', () => [bare], { task: 'text', connections: 16 }),
  http('download', 'download of 10 MB', () => [bare], { quick: false, task: 'download', connections: 4 }),
  http('file', 'file of 20 KB', () => [get('/text-20k.txt')], { task: 'file' }),
  http('file-large', 'file of 10 MB', () => [get('/bytes-10m.bin')], { quick: false, task: 'file', connections: 4 }),
  http('upload', 'upload of 20 MB', () => [post(bytes(20 * 2 ** 20), 'application/octet-stream')], {
    quick: false, task: 'upload', connections: 4,
  }),
  http('close', 'one request per connection', () => [last], { task: 'close' }),
  http('ten', 'ten requests per connection', () => [...Array<string>(9).fill(bare), last], { quick: false, task: 'close' }),
  http('https', 'bare GET, HTTPS keep-alive', () => [bare], { secure: true }),
  http('handshake', 'HTTPS, a new handshake per request', () => [last], {
    task: 'close', secure: true, connections: 16, load: 'handshake',
  }),
  http('todo', 'to-do service: list, one, create', () => [todoList, todoOne, todoCreate], { task: 'todo' }),
  http('fetch', 'Hono GET, globals left alone', () => [user], { quick: false, task: 'fetch', freeFraming: true }),
  http('fetch-post', 'Hono POST of JSON, globals left alone', () => [json], { quick: false, task: 'fetch', freeFraming: true }),
  http('fetch-light', 'Hono GET, globals replaced for speed', () => [user], { quick: false, task: 'fetch-light', freeFraming: true }),
  http('fetch-light-post', 'Hono POST of JSON, globals replaced for speed', () => [json], {
    quick: false, task: 'fetch-light', freeFraming: true,
  }),
  webSocket('ws', 'WebSocket echo, text of 128 B', 128, true, 1),
  webSocket('ws-large', 'WebSocket echo, 16 KB of bytes', 16 * 1024, false, 1),
  webSocket('ws-many', 'WebSocket echo, text of 128 B, 32 under way', 128, true, 32),
]

/** @throws Error if there is none */
function httpNamed(name: string): HttpScenario {
  const found = closed.find((scenario) => scenario.name === name)
  if (found?.kind !== 'http') throw new Error(`no scenario ${name}`)
  return found
}

function latency(name: string, of: HttpScenario, quick: boolean): LatencyScenario {
  return { kind: 'latency', name, title: `latency at fixed rates: ${of.title}`, of, shares: [0.5, 0.7, 0.9], quick }
}

export const scenarios: readonly Scenario[] = [
  ...closed,
  latency('latency', httpNamed('headers'), true),
  latency('latency-echo', httpNamed('echo'), false),
  latency('latency-gzip', httpNamed('gzip'), false),
  latency('latency-https', httpNamed('https'), false),
  {
    kind: 'connections', name: 'connections', title: 'idle connections beside a bare GET', of: httpNamed('bare'),
    steps: [100, 1000, 10_000], quick: false,
  },
  {
    kind: 'backlog', name: 'backlog', title: 'bare GET, more and more of them pipelined', of: { ...httpNamed('bare'), connections: 16 },
    steps: [1, 4, 16, 64, 256], quick: false,
  },
]
