import { getSystemErrorMap } from 'node:util'
import type { ListenOptions } from '../lev/index.js'
import { addressText, messageOf } from '../lev/internal.js'
import type { Rejection } from './http1/rejection.js'

/** Base class of Leveret's errors: `code` is for programs, `message` for people. */
export abstract class LeveretError extends Error {
  /** Identifies this kind of error; stable when `message` changes. */
  abstract readonly code: string
  /** The name of the class. */
  override get name(): string {
    return this.constructor.name
  }
}

/** A setting is unknown or has an invalid value; nothing was changed. */
export class ConfigError extends LeveretError {
  readonly code = 'LEVERET_CONFIG'
  /** The setting, as a path: `max_body_size`, `compression.min_size`, `ssl.default.cert`; `config` for the whole. */
  readonly key: string
  constructor(key: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.key = key
  }
}

/** A method was called in the wrong state, such as `serve` on a server that is serving already. */
export class StateError extends LeveretError {
  readonly code = 'LEVERET_STATE'
}

/** A function was called with an invalid argument; nothing was done. */
export class ArgumentError extends LeveretError {
  readonly code = 'LEVERET_ARGUMENT'
  /** The invalid argument or option: `heartbeat`, `url`. */
  readonly argument: string
  constructor(argument: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.argument = argument
  }
}

/**
 * The content of a request cannot be read, or not in the form that the handler asked for. If the handler does not catch the
 * error, the response has `status`, and `reason` in its text.
 */
export class BodyError extends LeveretError {
  readonly code = 'LEVERET_BODY'
  /** The status of the response if the error is not caught. */
  readonly status: number
  /** A phrase that programs may match: `max_body_size limit violation: N`, `request body timeout`. */
  readonly reason: string
  constructor(status: number, reason: string, options?: ErrorOptions) {
    super(reason, options)
    this.status = status
    this.reason = reason
  }
}

/** The BodyError for an entry in the table of rejections; `cause` is the underlying error. */
export function bodyError({ status, reason }: Rejection, cause?: unknown): BodyError {
  return new BodyError(status, reason, cause === undefined ? undefined : { cause })
}

/** A client's request got no response; `cause` has the reason. A response of any status is not an error. */
export class RequestError extends LeveretError {
  readonly code = 'LEVERET_REQUEST'
}

/** The server responded, but did not accept the WebSocket: it rejected the handshake, or its response is invalid. */
export class UpgradeError extends LeveretError {
  readonly code = 'LEVERET_UPGRADE'
  /** The status of the response: 101 if the rest of the response is invalid. */
  readonly status: number
  /** The headers of the response, by lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  /** The content of the response as received, at most 64 KiB of it. */
  readonly body: Buffer
  constructor(status: number, headers: Readonly<Record<string, string>>, message: string, body: Buffer) {
    super(message)
    this.status = status
    this.headers = headers
    this.body = body
  }
}

/** The server could not listen: `failed to bind IP:PORT: reason`; `cause` is the underlying error. */
export class BindError extends LeveretError {
  readonly code = 'LEVERET_BIND'
  /** As configured: an IP address or a host name; empty for a Unix socket or a file descriptor. */
  readonly ip: string
  /** As configured; 0 for a Unix socket or a file descriptor. */
  readonly port: number
  /** Path of the Unix socket, if it is one. */
  readonly path: string | null
  /** Number of the file descriptor, if it is one. */
  readonly fd: number | null
  /** @param where what was to be bound; text if no address is known */
  constructor(where: ListenOptions | string, cause: unknown) {
    super(`failed to bind ${typeof where === 'string' ? where : addressText(where)}: ${bindReason(cause)}`, { cause })
    const { ip, port, path, fd } = typeof where === 'string' ? unknownAddress : { ...unknownAddress, ...where }
    this.ip = ip
    this.port = port
    this.path = path ?? null
    this.fd = fd ?? null
  }
}

/** The workers of a program could not be started, or their settings not be changed. */
export class WorkerError extends LeveretError {
  readonly code = 'LEVERET_WORKER'
  /** The exit code of the worker that ended; 1 if it has none. A program that does not catch the error ends with it. */
  readonly exitCode: number
  constructor(message: string, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

/** Of a socket without an IP address. */
const unknownAddress = { ip: '', port: 0, path: undefined, fd: undefined }

/** The system's text ("address already in use") for the first system error in a chain of causes, else the last message. */
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
