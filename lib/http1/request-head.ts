import { Framing } from './framing.js'
import { NO_FIELDS } from './headers.js'
import type { FieldBlock } from './headers.js'
import type { TargetForm } from './target.js'

/** The head of one request. It holds on to nothing but its own text, so it may be kept for as long as one likes. */
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
  /** Host and port that the request is for: absolute-form's, else the Host field's (RFC 9112 3.2.2); "" if none. */
  readonly host: string
  /** Whether the client lets the connection live on (RFC 9112 9.3); never after CONNECT. */
  readonly keepAlive: boolean
  /** Bytes of content; -1: no Content-Length. */
  readonly contentLength: number
  readonly chunked: boolean
  /** The client waits for "100 Continue" before it sends its content. */
  readonly expectContinue: boolean
  /** The client offers to change protocols: an Upgrade field, and "upgrade" in Connection. */
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

/** Stands in where no head was read yet. */
export const NO_HEAD = new RequestHead('', '', 'origin', '', '', 1, '', new Framing(), NO_FIELDS)
