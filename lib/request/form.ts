import { yieldNow, type Op } from '../../lev/index.js'
import type { Pieces } from '../pieces.js'
import { decodeValue } from './body-text.js'
import { bodyError, StateError } from '../errors.js'
import { FormParts, type PartsOptions } from './form-parts.js'
import type { RequestHeaders } from '../http1/headers.js'
import { partLimit } from '../http1/multipart.js'
import type { MediaType } from '../http1/parameters.js'
import { rejections } from '../http1/rejection.js'
import { FIELD, UrlEncodedReader } from '../http1/url-encoded.js'

/** A file of a form. */
export interface FormFile {
  /** The form field's name. */
  readonly name: string
  /** The client's name for the file, after the last slash; never use it as a path. "" if none was sent. */
  readonly filename: string
  /** Media type as sent by the client, without parameters. */
  readonly type: string
  /** Header fields of the file's part, by lower-case name. */
  readonly headers: RequestHeaders
  /** The content of the file. */
  readonly bytes: Buffer
}

/** A submitted form. */
export interface Form {
  /** Values by name; an array for a name that was sent several times. The object has no prototype. */
  readonly fields: Readonly<Record<string, string | readonly string[]>>
  /** The files, in the order sent. */
  readonly files: readonly FormFile[]
}

const urlencoded = 'application/x-www-form-urlencoded'
const multipart = 'multipart/form-data'

/** Bytes of an urlencoded form read before other tasks get a turn: some 0.3 ms. */
const stepSize = 64 * 1024

/**
 * Reads a whole form into memory; the limits of the body bound it.
 * @throws BodyError: 415 for a body that is not a form, and for an unknown charset; 400 for a malformed form; 413 for one with
 * more than 1000 parts
 */
export function* readForm(mediaType: MediaType, pieces: Pieces): Op<Form> {
  if (mediaType.type === urlencoded) return yield* readUrlEncoded(mediaType.parameters.get('charset'), pieces)
  if (mediaType.type === multipart) return yield* readMultipart(mediaType, pieces)
  throw bodyError(rejections.notForm)
}

/** The parts of a multipart form. @throws BodyError 415 if the body is not one */
export function formParts({ type, parameters }: MediaType, pieces: Pieces, options: PartsOptions): FormParts {
  if (type !== multipart) throw bodyError(rejections.notMultipart)
  return new FormParts(parameters.get('boundary'), pieces, options)
}

function* readUrlEncoded(charset: string | undefined, pieces: Pieces): Op<Form> {
  const fields = new Fields()
  const reader = new UrlEncodedReader()
  const add = (): void => fields.add(decodeValue(reader.name, charset), decodeValue(reader.value, charset))
  for (let piece = yield* pieces.next(); piece !== null; piece = yield* pieces.next()) {
    for (let from = 0; from < piece.length; from += stepSize) {
      if (from > 0) yield* yieldNow()
      const to = Math.min(from + stepSize, piece.length)
      for (let at = from; at < to;) {
        const { event, position } = reader.next(piece, at, to)
        if (event === FIELD) add()
        at = position
      }
    }
  }
  if (reader.end()) add()
  return { fields: fields.values, files: [] }
}

function* readMultipart(mediaType: MediaType, pieces: Pieces): Op<Form> {
  const fields = new Fields()
  const files: FormFile[] = []
  const parts = formParts(mediaType, pieces, { fieldLimit: Infinity, ask: noAsyncCode })
  for (let part = yield* parts.next(); part !== null; part = yield* parts.next()) {
    const { name, filename, type, headers } = part
    if (filename === null) fields.add(name, yield* part.text())
    else files.push({ name, filename, type, headers, bytes: yield* part.bytes() })
  }
  return { fields: fields.values, files }
}

/** Never called: only `readMultipart`, a coroutine, sees the parts. */
function noAsyncCode(): never {
  throw new StateError('the parts are read already')
}

class Fields {
  readonly values: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>
  #count = 0

  add(name: string, value: string): void {
    if (++this.#count > partLimit) throw bodyError(rejections.tooManyParts(partLimit + 1))
    const before = this.values[name]
    if (before === undefined) this.values[name] = value
    else if (typeof before === 'string') this.values[name] = [before, value]
    else before.push(value)
  }
}
