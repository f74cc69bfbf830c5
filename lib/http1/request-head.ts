import { Framing } from './framing.js'
import { NO_FIELDS } from './headers.js'
import type { FieldBlock } from './headers.js'
import type { TargetForm } from './target.js'

/** The head of one request. It references only its own text, no input buffer, so it can be kept. */
export class RequestHead {
  readonly method: string
  /** The whole target, as sent. */
  readonly target: string
  readonly form: TargetForm
  /** The path, as sent; "*" for asterisk-form, the authority for CONNECT. */
  readonly query: string
  /** The text after "?", as sent; "" if there is none. */
  readonly args: string
  readonly minorVersion: 0 | 1
  /** Host and port of the request: from absolute-form, else from the Host field (RFC 9112 3.2.2); "" if none. */
  readonly host: string
  /** Whether the client allows the connection to persist (RFC 9112 9.3); never after CONNECT. */
  readonly keepAlive: boolean
  /** Bytes of content; -1: no Content-Length. */
  readonly contentLength: number
  readonly chunked: boolean
  /** Whether the client waits for "100 Continue" before it sends its content. */
  readonly expectContinue: boolean
  /** Whether the client offers to change protocols: an Upgrade field, and "upgrade" in Connection. */
  readonly upgrade: boolean
  readonly fields: FieldBlock

  constructor(
    method: string,
    target: string,
    form: TargetForm,
    query: string,
    args: string,
    minorVersion: 0 | 1,
    host: string,
    framing: Framing,
    fields: FieldBlock,
  ) {
    this.method = method
    this.target = target
    this.form = form
    this.query = query
    this.args = args
    this.minorVersion = minorVersion
    this.host = host
    this.keepAlive = framing.keepAlive
    this.contentLength = framing.contentLength
    this.chunked = framing.chunked
    this.expectContinue = framing.expectContinue
    this.upgrade = framing.upgrade
    this.fields = fields
  }
}

/** Placeholder until a head is read. */
export const NO_HEAD = new RequestHead('', '', 'origin', '', '', 1, '', new Framing(), NO_FIELDS)
