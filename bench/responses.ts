import { gunzipSync } from 'node:zlib'

/** One response, its content decoded. */
export interface ParsedResponse {
  /** The status line and the header lines. */
  readonly lines: readonly string[]
  /** The content without chunks and compression, latin1. */
  readonly content: string
  /** What was sent of the content: bytes without chunks, with compression. */
  readonly size: number
}

/**
 * The whole responses in `text` (latin1). Content-Length, chunked; without either of them a response ends with the connection
 * (`ended`).
 *
 * @throws Error for chunks that are none
 */
export function readResponses(text: string, ended = false): ParsedResponse[] {
  const responses: ParsedResponse[] = []
  for (let start = 0; ;) {
    const empty = text.indexOf('\r\n\r\n', start)
    if (empty < 0) return responses
    const lines = text.slice(start, empty).split('\r\n')
    const framed = readContent(text, empty + 4, lines, ended)
    if (framed === null) return responses
    responses.push({ lines, size: framed.content.length, content: unpacked(lines, framed.content) })
    start = framed.end
  }
}

function readContent(text: string, start: number, lines: readonly string[], ended: boolean): { content: string; end: number } | null {
  if (fieldOf(lines, 'transfer-encoding') === 'chunked') return readChunks(text, start)
  const length = fieldOf(lines, 'content-length')
  if (length === null) return ended ? { content: text.slice(start), end: text.length } : null
  const end = start + Number(length)
  return end > text.length ? null : { content: text.slice(start, end), end }
}

function readChunks(text: string, start: number): { content: string; end: number } | null {
  let content = ''
  for (let at = start; ;) {
    const line = text.indexOf('\r\n', at)
    if (line < 0) return null
    const size = parseInt(text.slice(at, line), 16)
    if (Number.isNaN(size)) throw new Error(`not a chunk: ${text.slice(at, line)}`)
    const end = line + 2 + size + 2
    if (end > text.length) return null
    if (size === 0) return { content, end }
    content += text.slice(line + 2, end - 2)
    at = end
  }
}

function unpacked(lines: readonly string[], content: string): string {
  if (fieldOf(lines, 'content-encoding') !== 'gzip') return content
  return gunzipSync(Buffer.from(content, 'latin1')).toString('latin1')
}

function fieldOf(lines: readonly string[], name: string): string | null {
  const line = lines.slice(1).find((one) => one.toLowerCase().startsWith(`${name}:`))
  return line === undefined ? null : line.slice(name.length + 1).trim().toLowerCase()
}

/** Fields whose value names no bytes, but things known by names without case. */
const caseless = new Set(['connection', 'upgrade', 'vary', 'transfer-encoding', 'content-encoding'])

/**
 * A response's head without what two servers may rightly say differently: the phrase after the status, which clients ignore
 * (RFC 9112 section 4), the Date's value, who they are (Server), that the connection lives on, which goes without saying, that
 * JSON is UTF-8, the id of a request, that content may be compressed (Vary), and of a file what its version is, and that parts of
 * it can be had. Neither the case
 * of the fields' names nor their order means anything (RFC 9110 sections 5.1 and 5.3).
 *
 * @param freeFraming how the content is framed, by its length or in chunks, is the server's choice
 */
export function comparableHead({ lines }: ParsedResponse, freeFraming = false): string {
  const fields: string[] = []
  for (const line of lines.slice(1)) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    const value = valueOf(name, line.slice(colon + 1).trim())
    const said = `${name}: ${caseless.has(name) ? value.toLowerCase() : value}`
    if (/^(connection: keep-alive|keep-alive: .*|server: .*|vary: accept-encoding|etag: .*|last-modified: .*|accept-ranges: bytes)$/.test(said)) continue
    // RFC 9110 section 6.6.1: a response of 1xx may do without.
    if (name === 'date' && / 1\d\d /.test(lines[0])) continue
    if (freeFraming && (name === 'content-length' || name === 'transfer-encoding')) continue
    fields.push(name === 'date' ? `date: ${/ GMT$/.test(value) ? '*' : value}` : said)
  }
  return [lines[0].split(' ', 2).join(' '), ...fields.sort()].join('\n')
}

/** A value without what servers may choose: JSON has one charset, Vary is also for those that can compress, ids are random. */
function valueOf(name: string, value: string): string {
  if (name === 'content-type') return value.replace(/^(application\/(?:.*\+)?json); charset=utf-8$/, '$1')
  if (name === 'vary') return value.replace(/, accept-encoding$|^accept-encoding, /i, '')
  return name === 'x-request-id' ? value.replace(/^[0-9a-f-]{36}$/, '*') : value
}

/** How one response differs from another, or null if they say the same. */
export function differenceOf(one: ParsedResponse, other: ParsedResponse, freeFraming = false): string | null {
  const [mine, theirs] = [comparableHead(one, freeFraming), comparableHead(other, freeFraming)]
  if (mine !== theirs) return `${mine}\nagainst:\n${theirs}`
  if (one.content === other.content) return null
  const [short, long] = [one, other].map(({ content }) => JSON.stringify(content.length > 100 ? `${content.slice(0, 100)}...` : content))
  return `content ${short} (${one.content.length} bytes) against ${long} (${other.content.length} bytes)`
}
