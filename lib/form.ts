import { Busboy } from '@fastify/busboy'
import { waitForWork, type Op } from '../lev/index.js'
import type { Pieces } from './body-source.js'
import { BodyError } from './errors.js'

/** A file of a form. */
export interface FormFile {
  /** The form field's name. */
  readonly name: string
  /** As the client gave it, the last part of it if it was a path; never use it as a path. "" if none was given. */
  readonly filename: string
  /** Media type, as the client gave it. */
  readonly type: string
  readonly bytes: Buffer
}

/** A form that was sent. */
export interface Form {
  /** Values by name; a name that was sent several times has an array. The object has no prototype. */
  readonly fields: Readonly<Record<string, string | readonly string[]>>
  readonly files: readonly FormFile[]
}

/** Fields and files of one form. */
const partLimit = 1000
const nameLimit = 1024

const malformed = 'malformed form'

/**
 * Reads a form, all of it into memory: what bounds a body bounds it.
 * @throws BodyError: 415 for a body that is no form, 400 for one that is malformed, 413 for one with more than 1000 parts
 */
export function* readForm(contentType: string | undefined, pieces: Pieces): Op<Form> {
  const type = (contentType ?? '').split(';', 1)[0].trim().toLowerCase()
  if (type === 'application/x-www-form-urlencoded') return yield* readUrlEncoded(pieces)
  if (type === 'multipart/form-data') return yield* readMultipart(contentType ?? '', pieces)
  throw new BodyError(415, 'the body is not a form')
}

function* readUrlEncoded(pieces: Pieces): Op<Form> {
  const parts: Buffer[] = []
  for (let piece = yield* pieces.next(); piece !== null; piece = yield* pieces.next()) parts.push(piece)
  const fields = new Fields()
  for (const [name, value] of new URLSearchParams(Buffer.concat(parts).toString())) fields.add(name, value)
  return { fields: fields.values, files: [] }
}

function* readMultipart(contentType: string, pieces: Pieces): Op<Form> {
  const fields = new Fields()
  const files: FormFile[] = []
  let failure: BodyError | null = null
  const fail = (status: number, reason: string): void => {
    failure ??= new BodyError(status, reason)
  }
  const busboy = open(contentType)
  const over = new Promise<void>((resolve) => {
    busboy.on('finish', resolve)
    busboy.on('error', () => {
      fail(400, malformed)
      resolve()
    })
  })
  busboy.on('partsLimit', () => fail(413, `form parts limit violation: ${partLimit}`))
  busboy.on('field', (name, value, nameCut, valueCut) => {
    if (nameCut || valueCut) fail(413, `form field name limit violation: ${nameLimit}`)
    else if (typeof name !== 'string') fail(400, malformed)
    else fields.add(name, value)
  })
  busboy.on('file', (name, stream, filename, _encoding, type) => {
    const parts: Buffer[] = []
    stream.on('data', (bytes: Buffer) => parts.push(bytes))
    stream.on('error', () => fail(400, malformed))
    stream.on('end', () => files.push({ name: name ?? '', filename: filename ?? '', type, bytes: Buffer.concat(parts) }))
  })
  try {
    for (let piece = yield* pieces.next(); piece !== null; piece = yield* pieces.next()) {
      busboy.write(piece)
      if (failure !== null) throw failure
    }
    busboy.end()
    yield* waitForWork(over)
    if (failure !== null) throw failure
  } finally {
    busboy.destroy()
  }
  return { fields: fields.values, files }
}

function open(contentType: string): InstanceType<typeof Busboy> {
  try {
    return new Busboy({
      headers: { 'content-type': contentType },
      limits: { parts: partLimit, fieldNameSize: nameLimit, fieldSize: Infinity, fields: Infinity, headerPairs: 100 },
    })
  } catch {
    // No boundary, most of all.
    throw new BodyError(400, malformed)
  }
}

class Fields {
  readonly values: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>
  #count = 0

  add(name: string, value: string): void {
    if (++this.#count > partLimit) throw new BodyError(413, `form parts limit violation: ${partLimit}`)
    const before = this.values[name]
    if (before === undefined) this.values[name] = value
    else if (typeof before === 'string') this.values[name] = [before, value]
    else before.push(value)
  }
}
