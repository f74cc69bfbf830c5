/**
 * A strict and independent reader of what a server sends: HTTP/1.1 responses, one behind the other, and not one byte
 * between them. It shares no code with the server.
 */
export interface WireResponse {
  readonly status: number
  readonly reason: string
  /** Names in lowercase; a repeated field stands here several times. */
  readonly fields: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
  /** How the end of the body was told. */
  readonly framing: 'none' | 'length' | 'chunked' | 'close'
}

export interface WireReading {
  /** Those that are whole; interim ones (1xx) included. */
  readonly responses: WireResponse[]
  /** What no server may send; null if there is nothing to complain about. */
  readonly fault: string | null
  /** Bytes behind the last whole response. */
  readonly rest: number
}

const statusLine = /^HTTP\/1\.1 ([1-5][0-9]{2}) ([\t\x20-\x7e\x80-\xff]*)$/
const fieldLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t\x20-\x7e\x80-\xff]*)$/
const singletons = [
  'content-length', 'transfer-encoding', 'date', 'connection', 'content-type', 'content-encoding', 'etag',
]
const imfDate = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/

class Fault extends Error {}

/** Reads responses as their bytes come, each byte once. */
export class ResponseReader {
  /** Those that are whole; interim ones (1xx) included. */
  readonly responses: WireResponse[] = []
  /** What each final response is to, in order; where it is shorter, GET. */
  methods: readonly string[] = []
  /** Where the first response begins that is not whole. */
  #at = 0
  #finals = 0
  #closing = false

  /**
   * Goes on in `bytes`, which are all that came so far.
   * @param ended whether the connection is over: a body may be ended by that
   */
  read(bytes: Buffer, ended: boolean): WireReading {
    try {
      while (this.#at < bytes.length && this.#next(bytes, ended));
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      return { responses: this.responses, fault: error.message, rest: bytes.length - this.#at }
    }
    const rest = bytes.length - this.#at
    const fault = ended && rest > 0 ? `a response that is cut off: ${show(bytes, this.#at)}` : null
    return { responses: this.responses, fault, rest }
  }

  #next(bytes: Buffer, ended: boolean): boolean {
    if (this.#closing) throw new Fault(`bytes behind a response that announced the end: ${show(bytes, this.#at)}`)
    const found = readOne(bytes, this.#at, this.methods[this.#finals] ?? 'GET', ended)
    if (found === null) return false
    this.responses.push(found.response)
    this.#at = found.end
    if (found.response.status >= 200) {
      this.#finals++
      this.#closing = saysClose(found.response)
    }
    return true
  }
}

/** All that stands in `bytes`; see ResponseReader. */
export function readResponses(bytes: Buffer, methods: readonly string[] = [], ended = false): WireReading {
  const reader = new ResponseReader()
  reader.methods = methods
  return reader.read(bytes, ended)
}

/** The value of a field; several lines of it joined by ", ". `name` in lowercase. */
export function valueOf(response: WireResponse, name: string): string | undefined {
  const values = response.fields.filter(([one]) => one === name).map(([, value]) => value)
  return values.length === 0 ? undefined : values.join(', ')
}

/** Whether the response says that it is the last of its connection. */
export function saysClose(response: WireResponse): boolean {
  return tokens(valueOf(response, 'connection')).includes('close')
}

function tokens(value: string | undefined): string[] {
  return (value ?? '').split(',').map((token) => token.trim().toLowerCase())
}

function readOne(
  bytes: Buffer, at: number, method: string, ended: boolean,
): { response: WireResponse; end: number } | null {
  const headEnd = bytes.indexOf('\r\n\r\n', at, 'latin1')
  const head = bytes.toString('latin1', at, headEnd < 0 ? bytes.length : headEnd)
  if (/(?<!\r)\n|\r(?!\n|$)|\0/.test(head)) throw new Fault(`a bare line end or a NUL in a head: ${show(bytes, at)}`)
  if (headEnd < 0) return null
  const [first, ...lines] = head.split('\r\n')
  const status = statusLine.exec(first)
  if (status === null) throw new Fault(`not a status line: ${JSON.stringify(first.slice(0, 80))}`)
  const fields = lines.map((line): [string, string] => {
    const field = fieldLine.exec(line)
    if (field === null) throw new Fault(`not a field line: ${JSON.stringify(line.slice(0, 80))}`)
    return [field[1].toLowerCase(), field[2].replace(/^[ \t]+|[ \t]+$/g, '')]
  })
  const code = Number(status[1])
  checkFields(code, fields)
  const content = readContent(bytes, headEnd + 4, code, method, fields, ended)
  if (content === null) return null
  const { body, framing, end } = content
  return { response: { status: code, reason: status[2], fields, body, framing }, end }
}

function checkFields(status: number, fields: readonly [string, string][]): void {
  const count = (name: string): number => fields.filter(([one]) => one === name).length
  for (const name of singletons) if (count(name) > 1) throw new Fault(`${name} stands ${count(name)} times`)
  if (count('content-length') > 0 && count('transfer-encoding') > 0) throw new Fault('both lengths')
  if (count('content-length') + count('transfer-encoding') > 0 && (status < 200 || status === 204)) {
    throw new Fault(`a length with ${status}`)
  }
  const date = fields.find(([name]) => name === 'date')?.[1]
  if (status >= 200 && (date === undefined || !imfDate.test(date))) throw new Fault(`no proper Date: ${String(date)}`)
}

interface Content {
  readonly body: Buffer
  readonly framing: WireResponse['framing']
  readonly end: number
}

function readContent(
  bytes: Buffer, start: number, status: number, method: string, fields: readonly [string, string][], ended: boolean,
): Content | null {
  const value = (name: string): string | undefined => fields.find(([one]) => one === name)?.[1]
  const length = value('content-length')
  if (length !== undefined && !/^(0|[1-9][0-9]*)$/.test(length)) throw new Fault(`Content-Length: ${length}`)
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) {
    return { body: Buffer.alloc(0), framing: 'none', end: start }
  }
  const coding = value('transfer-encoding')
  if (method === 'CONNECT' && status < 300) {
    if (length !== undefined || coding !== undefined) throw new Fault('a length with a tunnel')
    return { body: Buffer.alloc(0), framing: 'none', end: start }
  }
  if (coding !== undefined) {
    if (coding !== 'chunked') throw new Fault(`Transfer-Encoding: ${coding}`)
    return readChunks(bytes, start)
  }
  if (length === undefined) {
    return ended ? { body: bytes.subarray(start), framing: 'close', end: bytes.length } : null
  }
  const end = start + Number(length)
  return end > bytes.length ? null : { body: bytes.subarray(start, end), framing: 'length', end }
}

function readChunks(bytes: Buffer, start: number): Content | null {
  const parts: Buffer[] = []
  for (let at = start; ;) {
    const lineEnd = bytes.indexOf('\r\n', at, 'latin1')
    if (lineEnd < 0) return null
    const digits = bytes.toString('latin1', at, lineEnd)
    if (!/^[0-9a-fA-F]{1,8}$/.test(digits)) throw new Fault(`chunk size: ${JSON.stringify(digits.slice(0, 40))}`)
    const size = parseInt(digits, 16)
    const end = lineEnd + 2 + size
    if (bytes.length < end + 2) return null
    if (bytes.toString('latin1', end, end + 2) !== '\r\n') throw new Fault('a chunk that does not end with CRLF')
    if (size === 0) return { body: Buffer.concat(parts), framing: 'chunked', end: end + 2 }
    parts.push(bytes.subarray(lineEnd + 2, end))
    at = end + 2
  }
}

function show(bytes: Buffer, at: number): string {
  return JSON.stringify(bytes.toString('latin1', at, at + 80))
}
