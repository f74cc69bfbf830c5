import { ArgumentError } from '../../errors.js'
import type { ResponseHeaders } from '../../http1/response-headers.js'
import { reasonOf } from '../../http1/status.js'
import type { ResponseParts } from '../../request/handler.js'
import { percentEncode } from './percent-encode.js'

/** What is wrong with a request, for programs (RFC 9457). Any other members are sent too. */
export interface Problem {
  /** The status of the response. */
  readonly status: number
  /** A URI that identifies the kind of problem; by default none but the status. */
  readonly type?: string | null | undefined
  /** A summary of the kind of problem; by default the reason phrase of the status. */
  readonly title?: string | null | undefined
  /** What is wrong this time. */
  readonly detail?: string | null | undefined
  /** A URI that identifies this occurrence. */
  readonly instance?: string | null | undefined
  readonly [member: string]: unknown
}

/** A response with `value` as JSON. @throws ArgumentError for a value that JSON does not have; TypeError for a circle */
export function json(value: unknown, status = 200, headers: ResponseHeaders = {}): ResponseParts {
  return [jsonText(value), status, { 'Content-Type': 'application/json', ...headers }]
}

/** A response that tells of a problem, as `application/problem+json`. Members that are null are left out. */
export function problem(members: Problem, headers: ResponseHeaders = {}): ResponseParts {
  const { type, status, title, detail, instance, ...others } = members
  const named = { type: type ?? undefined, title: title ?? reasonOf(status), status, detail: detail ?? undefined, instance: instance ?? undefined }
  return [jsonText({ ...named, ...others }), status, { 'Content-Type': 'application/problem+json', ...headers }]
}

/**
 * A response that sends the client to `location`, a URL or a path. Characters that a URL cannot have are percent-encoded; where it
 * leads is not checked.
 * @param status 303 makes the next request a GET, 307 and 308 keep the method
 */
export function redirect(location: string, status: 301 | 302 | 303 | 307 | 308 = 302, headers: ResponseHeaders = {}): ResponseParts {
  return [null, status, { Location: location.replace(/[^\x21-\x7e]+/g, percentEncode), ...headers }]
}

function jsonText(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined
  if (text === undefined) throw new ArgumentError('value', `value: ${typeof value} has no form in JSON`)
  return text
}
