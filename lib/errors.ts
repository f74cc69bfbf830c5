import { getSystemErrorMap } from 'node:util'
import { messageOf } from '../lev/internal.js'
import type { Rejection } from './http1/rejection.js'

/** What every error of Leveret's own is; `code` tells programs apart what `message` tells people. */
export abstract class LeveretError extends Error {
  /** Tells this kind of error from others; it stays the same when `message` changes. */
  abstract readonly code: string
  /** The name of the class. */
  override get name(): string {
    return this.constructor.name
  }
}

/** A setting is unknown or has a value that it cannot have; nothing was changed. */
export class ConfigError extends LeveretError {
  readonly code = 'LEVERET_CONFIG'
  /** The setting, as a path: `max_body_size`, `compression.min_size`, `ssl.default.cert`; `config` for the whole. */
  readonly key: string
  constructor(key: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.key = key
  }
}

/** A method was called at a time when it cannot work: `serve` of a server that is serving already. */
export class StateError extends LeveretError {
  readonly code = 'LEVERET_STATE'
}

/** A function was called with something that it cannot take; nothing was done. */
export class ArgumentError extends LeveretError {
  readonly code = 'LEVERET_ARGUMENT'
  /** The argument or option: `heartbeat`, `url`. */
  readonly argument: string
  constructor(argument: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.argument = argument
  }
}

/**
 * The content of a request cannot be had, or is not what the handler takes it for. A handler that does not catch it
 * answers with `status`, and `reason` as the text.
 */
export class BodyError extends LeveretError {
  readonly code = 'LEVERET_BODY'
  /** The status of the response that an uncaught one becomes. */
  readonly status: number
  /** A phrase that programs may match: `max_body_size limit violation: N`, `request body timeout`. */
  readonly reason: string
  constructor(status: number, reason: string, options?: ErrorOptions) {
    super(reason, options)
    this.status = status
    this.reason = reason
  }
}

/** The BodyError of a row in the table of rejections; `cause` is the error underneath. */
export function bodyError({ status, reason }: Rejection, cause?: unknown): BodyError {
  return new BodyError(status, reason, cause === undefined ? undefined : { cause })
}

/** A client's request got no response; `cause` says why. A response of any status is none of these. */
export class RequestError extends LeveretError {
  readonly code = 'LEVERET_REQUEST'
}

/** The server answered, and did not make a WebSocket of the connection: it refused, or its answer is not right. */
export class UpgradeError extends LeveretError {
  readonly code = 'LEVERET_UPGRADE'
  /** The status of the answer: 101 if it was one, and something else about it is wrong. */
  readonly status: number
  /** Of the answer, by lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  /** The content of the response as it came, at most 64 KiB of it. */
  readonly body: Buffer
  constructor(status: number, headers: Readonly<Record<string, string>>, message: string, body: Buffer) {
    super(message)
    this.status = status
    this.headers = headers
    this.body = body
  }
}

/** The server could not listen: `failed to bind IP:PORT: reason`; `cause` is the error underneath. */
export class BindError extends LeveretError {
  readonly code = 'LEVERET_BIND'
  /** As configured: an IP address or a host name. */
  readonly ip: string
  /** As configured. */
  readonly port: number
  constructor(ip: string, port: number, cause: unknown) {
    super(`failed to bind ${ip.includes(':') ? `[${ip}]` : ip}:${port}: ${bindReason(cause)}`, { cause })
    this.ip = ip
    this.port = port
  }
}

/** The system's own words for the first system error in a chain of causes ("address already in use"); else what its last says. */
function bindReason(cause: unknown): string {
  const words = getSystemErrorMap()
  const seen = new Set<unknown>()
  let last = cause
  for (let error = cause; error instanceof Error && !seen.has(error); error = error.cause) {
    seen.add(error)
    last = error
    const found = 'errno' in error && typeof error.errno === 'number' ? words.get(error.errno) : undefined
    if (found !== undefined) return found[1]
  }
  return messageOf(last)
}
