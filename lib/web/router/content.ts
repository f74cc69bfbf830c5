import { isUtf8 } from 'node:buffer'
import type { Op } from '../../../lev/index.js'
import { mediaTypeOf, type MediaType } from '../../http1/parameters.js'
import { OnePiece } from '../../pieces.js'
import { Context } from '../../request/context.js'
import { readForm } from '../../request/form.js'
import { HttpError } from './http-error.js'
import { addValue, type ValuesByName } from './query-values.js'
import type { RouteRequest } from './route-request.js'

/** The kinds of content that a route accepts. */
export interface AcceptedContent {
  readonly json: boolean
  readonly form: boolean
}

/** Content, parsed. */
export interface ParsedContent {
  readonly kind: 'json' | 'form'
  /** Undefined if there is none. */
  readonly value: unknown
}

/** A value of a form; a file is one of the web standard. */
type FormValue = string | File

/**
 * The content of a request as JSON or a form, as its type says: at once, or as an operation if it must be read first, or is a form.
 * @throws HttpError 415 for another type, 400 for what is malformed
 */
export function parseContent(accepted: AcceptedContent, request: RouteRequest<unknown>): ParsedContent | Op<ParsedContent> {
  const mediaType = mediaTypeOf(request.headers['content-type'])
  if (accepted.form && FORM_TYPE.test(mediaType.type)) return formOf(mediaType, request)
  if (request.body === null && Context.mustReadBody(request.ctx)) return readThenParse(accepted, mediaType, request)
  return parsed(accepted, mediaType, request.body)
}

function* readThenParse(accepted: AcceptedContent, mediaType: MediaType, { ctx }: RouteRequest<unknown>): Op<ParsedContent> {
  return parsed(accepted, mediaType, yield* ctx.body.bytes())
}

const JSON_TYPE = /^application\/(?:[^/]+\+)?json$/
const FORM_TYPE = /^(?:application\/x-www-form-urlencoded|multipart\/form-data)$/

function parsed({ json, form }: AcceptedContent, { type }: MediaType, body: Buffer | null): ParsedContent {
  if (body === null || body.length === 0) return json ? { kind: 'json', value: undefined } : { kind: 'form', value: {} }
  if (json && JSON_TYPE.test(type)) return { kind: 'json', value: jsonOf(body) }
  const kinds = [json ? 'JSON' : [], form ? 'a form' : []].flat().join(' or ')
  const types = [json ? 'application/json' : [], form ? 'application/x-www-form-urlencoded, multipart/form-data' : []].flat().join(', ')
  throw new HttpError(415, `the content has to be ${kinds}`, { Accept: types })
}

function jsonOf(body: Buffer): unknown {
  if (!isUtf8(body)) throw new HttpError(400, 'the content is not UTF-8')
  try {
    return JSON.parse(body.toString()) as unknown
  } catch (error) {
    throw new HttpError(400, 'the content is not JSON', {}, { cause: error })
  }
}

/** The fields and files of a form in one object, without inherited members; an array for a name that was sent several times. */
function* formOf(mediaType: MediaType, { body, ctx }: RouteRequest<unknown>): Op<ParsedContent> {
  const values = Object.create(null) as ValuesByName<FormValue>
  const { fields, files } = yield* (body === null ? ctx.body.form() : readForm(mediaType, new OnePiece(body)))
  for (const [name, value] of Object.entries(fields)) for (const one of [value].flat()) addValue(values, name, one)
  for (const { name, filename, type, bytes } of files) {
    // Browsers send a file without a name and content where the user has chosen none.
    if (filename !== '' || bytes.length > 0) addValue(values, name, new File([bytes], filename, { type }))
  }
  return { kind: 'form', value: values }
}
