import type { Op } from '../lev/index.js'
import type { Pieces } from './body-source.js'
import { BodyError, StateError } from './errors.js'
import { FormParts, partLimit } from './form-parts.js'

/** A file of a form. */
export interface FormFile {
  /** The form field's name. */
  readonly name: string
  /** As the client gave it, the last part of it if it was a path; never use it as a path. "" if none was given. */
  readonly filename: string
  /** Media type, as the client gave it. */
  readonly type: string
  /** The content of the file. */
  readonly bytes: Buffer
}

/** A form that was sent. */
export interface Form {
  /** Values by name; a name that was sent several times has an array. The object has no prototype. */
  readonly fields: Readonly<Record<string, string | readonly string[]>>
  /** The files that were sent, in order. */
  readonly files: readonly FormFile[]
}

const urlencoded = 'application/x-www-form-urlencoded'
const multipart = 'multipart/form-data'

/**
 * Reads a form, all of it into memory: what bounds a body bounds it.
 * @throws BodyError: 415 for a body that is no form, 400 for one that is malformed, 413 for one with more than 1000 parts
 */
export function* readForm(contentType: string | undefined, pieces: Pieces): Op<Form> {
  const type = typeOf(contentType)
  if (type === urlencoded) return yield* readUrlEncoded(pieces)
  if (type === multipart) return yield* readMultipart(contentType ?? '', pieces)
  throw new BodyError(415, 'the body is not a form')
}

/** Whether a body is a multipart form. */
export function isMultipart(contentType: string | undefined): contentType is string {
  return typeOf(contentType) === multipart
}

function typeOf(contentType: string | undefined): string {
  return (contentType ?? '').split(';', 1)[0].trim().toLowerCase()
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
  const parts = new FormParts(contentType, pieces, { fieldLimit: Infinity, ask: noAsyncCode })
  for (let part = yield* parts.next(); part !== null; part = yield* parts.next()) {
    const { name, filename, type } = part
    if (filename === null) fields.add(name, yield* part.text())
    else files.push({ name, filename, type, bytes: yield* part.bytes() })
  }
  return { fields: fields.values, files }
}

/** Nobody but `readMultipart` sees the parts. */
function noAsyncCode(): never {
  throw new StateError('the parts are read already')
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
