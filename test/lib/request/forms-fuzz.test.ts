import fc from 'fast-check'
import t from 'tap'
import type { Op } from '../../../lev/index.js'
import { BodyError, type Handler } from '../../../lib/index.js'
import { seed } from '../../support/seed.js'
import { request } from '../../support/serving.js'
import { virtually, type World } from '../../support/virtual.js'

const boundary = '-b-'
const types = {
  multipart: `multipart/form-data; boundary="${boundary}"`,
  urlencoded: 'application/x-www-form-urlencoded',
}
type Type = keyof typeof types

/** How a form is read, and what was in it: the same for each way, or the status of its rejection. */
const tell: Handler = function* (_method, query, _args, _headers, _body, ctx) {
  const told: string[] = []
  try {
    if (query.endsWith('parts')) {
      const parts = ctx.body.parts()
      for (let part = yield* parts.next(); part !== null; part = yield* parts.next()) {
        const { name, filename } = part
        told.push(JSON.stringify(filename === null ? [name, yield* part.text()] : [name, filename, (yield* part.bytes()).toString('latin1')]))
      }
    } else {
      const { fields, files } = yield* ctx.body.form()
      for (const [name, values] of Object.entries(fields)) for (const value of [values].flat()) told.push(JSON.stringify([name, value]))
      for (const { name, filename, bytes } of files) told.push(JSON.stringify([name, filename, bytes.toString('latin1')]))
    }
  } catch (error) {
    if (!(error instanceof BodyError)) throw error
    return [String(error.status), error.status]
  }
  return told.sort().join('\n')
}

/** Content in chunks of these sizes, in turn. */
function chunked(content: string, sizes: readonly number[]): string {
  let text = ''
  for (let from = 0, turn = 0; from < content.length; turn++) {
    const chunk = content.slice(from, from + sizes[turn % sizes.length])
    text += `${chunk.length.toString(16)}\r\n${chunk}\r\n`
    from += chunk.length
  }
  return `${text}0\r\n\r\n`
}

interface Outcomes {
  /** Bodies with more than one outcome, or one that is not expected. */
  readonly wrong: string[]
  readonly statuses: Map<number, number>
}

/** Sends each body in every way. */
async function outcomesOf(type: Type, bodies: readonly (readonly [body: string, sizes: readonly number[]])[], expected: readonly number[]): Promise<Outcomes> {
  const statuses = new Map<number, number>()
  const wrong: string[] = []
  for (const segment of [7, 65_536]) {
    await virtually({ buffer_body: (_method, query) => query.startsWith('/buffered') }, tell, function* ({ connect, log }: World) {
      for (const [body, sizes] of bodies) {
        const outcomes = new Set<string>()
        for (const path of type === 'multipart' ? ['/buffered/form', '/form', '/buffered/parts', '/parts'] : ['/buffered/form', '/form']) {
          const send = function* (headers: Record<string, string>, content: string): Op<void> {
            const client = yield* connect(request(`POST ${path}`, { 'Content-Type': types[type], ...headers }, content))
            const [response] = yield* client.responses(1)
            client.stream.close()
            outcomes.add(`${response.status} ${response.body.toString()}`)
            statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1)
          }
          yield* send({}, body)
          yield* send({ 'Transfer-Encoding': 'chunked' }, chunked(body, sizes))
        }
        const [outcome] = outcomes
        if (outcomes.size === 1 && expected.includes(Number(outcome.slice(0, 3)))) continue
        wrong.push(`seed ${seed}: ${JSON.stringify(body)} in ${JSON.stringify(sizes)}: ${JSON.stringify([...outcomes])}`)
      }
      wrong.push(...log.of('error').map((line) => JSON.stringify(line)))
    }, { segment })
  }
  return { wrong, statuses }
}

const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 6 })
const anything = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('latin1'))

const heads = fc.constantFrom(
  'Content-Disposition: form-data; name="a"', 'Content-Disposition: form-data; name=b; filename="c"', 'content-disposition:form-data;name="__proto__"',
  'Content-Disposition: form-data; name="a"\r\nContent-Type: text/plain; charset=iso-8859-1', 'Content-Disposition: form-data; name=""\r\nX: \xc3\xbc',
)
const part = fc.tuple(heads, fc.oneof(anything, fc.constantFrom('', '\r\n', `\r\n-${boundary}`, '\r\n--', 'text')))
const form = fc.array(part, { maxLength: 5 }).map((parts) => `${parts.map(([head, content]) => `--${boundary}\r\n${head}\r\n\r\n${content}\r\n`).join('')}--${boundary}--\r\n`)

/** A text with some of it left out, doubled, changed, or followed by something else. */
const spoiled = (whole: fc.Arbitrary<string>): fc.Arbitrary<string> => fc.tuple(
  whole, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 5 }), fc.oneof(anything, fc.constantFrom('', '\r\n', '--', `--${boundary}`, `--${boundary}--`, ':', ';', '"', '%', '=', '&'))), { maxLength: 3 }),
).map(([text, changes]) => changes.reduce((given, [place, length, put]) => {
  const at = place % (given.length + 1)
  return given.slice(0, at) + put + given.slice(at + length)
}, text))

t.test('a multipart form, whole or spoiled, has one outcome, however it is cut and read', async (t) => {
  const bodies = fc.sample(fc.tuple(fc.oneof(form, spoiled(form)), sizes), { numRuns: 100, seed })
  const { wrong, statuses } = await outcomesOf('multipart', bodies, [200, 400, 413, 415])
  t.strictSame(wrong, [])
  for (const status of [200, 400]) t.ok((statuses.get(status) ?? 0) > 100, `${status}: ${statuses.get(status)} times`)
})

t.test('bytes that are no multipart form get 400, and nothing else', async (t) => {
  const bodies = fc.sample(fc.tuple(anything.filter((text) => !text.includes(`--${boundary}`)), sizes), { numRuns: 80, seed })
  t.strictSame((await outcomesOf('multipart', bodies, [400])).wrong, [])
})

t.test('an urlencoded form, whole or spoiled, has one outcome, however it is cut and read', async (t) => {
  const fragment = fc.constantFrom('a', 'b=', '=', '&', '%', '%4', '%41', '%c3%bc', '+', '%ff', '__proto__', '\xc3\xbc')
  const fields = fc.array(fragment, { maxLength: 20 }).map((parts) => parts.join(''))
  const bodies = fc.sample(fc.tuple(fc.oneof(fields, spoiled(fields), anything), sizes), { numRuns: 100, seed })
  t.strictSame((await outcomesOf('urlencoded', bodies, [200, 400])).wrong, [])
})
