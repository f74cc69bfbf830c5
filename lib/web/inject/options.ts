import { asArguments, optionsOf } from '../../config/arguments.js'
import { boolean, refuse, type Check } from '../../config/validators.js'
import { headersFor } from '../../client/options.js'
import { outgoingOf, type RequestContent } from '../../client/outgoing.js'
import type { ReadyRequest } from '../../client/exchange.js'
import { framedHead } from '../../client/request-head.js'
import { bodyOf, checkLength, headersOf, methodOf, type ClientValue } from '../../client/request-options.js'

/** A request for `inject`; all but `path` are optional. */
export interface InjectOptions {
  /** The path with its query, percent-encoded: it is sent unchanged. */
  readonly path: string
  /** Default: GET. */
  readonly method?: string | null | undefined
  /** Headers to send. Default: `Host: localhost`, and those that describe the content. */
  readonly headers?: Readonly<Record<string, ClientValue>> | null | undefined
  /** Content to be sent as JSON. */
  readonly json?: object | string | number | boolean | null | undefined
  /** Content, instead of `json`: as that of `request`. */
  readonly body?: RequestContent | null | undefined
  /** Whether to return when the head of the response has arrived, with a body that is read as it arrives. Default: false. */
  readonly stream?: false | null | undefined
}

/** A request for `inject` whose response is read as it arrives. */
export interface StreamInjectOptions extends Omit<InjectOptions, 'stream'> {
  /** Returns the response when its head has arrived. */
  readonly stream: true
}

const frames = headersFor(/^(?:transfer-encoding|keep-alive)$/, 'set by inject')
const upgrades = headersFor(/^upgrade$/, 'for a connection: inject sends a single request, and a WebSocket needs a server that serves')

const checks = {
  path: pathOf,
  method: methodOf,
  headers: (value, key) => headersOf(value, key, (given) => frames(upgrades(given, key), key)),
  json: (value) => outgoingOf(JSON.stringify(value)),
  body: bodyOf,
  stream: boolean,
} satisfies { readonly [K in keyof InjectOptions]-?: Check<unknown> }

/** @throws ArgumentError naming the option, the given value and the expected one */
export function injectRulesOf(options: InjectOptions | StreamInjectOptions): ReadyRequest & { readonly stream: boolean } {
  return asArguments(() => {
    const given = optionsOf(options, 'options', 'an object with a path', Object.keys(checks))
    const option = <T>(name: keyof typeof checks, check: Check<T>, otherwise: T): T => (given.has(name) ? check(given.get(name), name) : otherwise)
    const target = checks.path(given.get('path'), 'path')
    const method = option('method', checks.method, 'GET')
    const json = option('json', checks.json, null)
    const body = option('body', checks.body, json)
    if (given.has('json') && given.has('body')) refuse('body', 'both', 'either json or body')
    const sent = option<Record<string, string | string[]>>('headers', checks.headers, {})
    checkLength(sent['content-length'], body)
    const type = json === null ? body?.type ?? '' : 'application/json'
    const headers = { host: 'localhost', ...(type === '' ? {} : { 'content-type': type }), ...sent }
    return { ...framedHead(method, target, headers, body), method, headers, body, stream: option('stream', checks.stream, false) }
  })
}

/** A target that cannot end its line. Whether the server accepts it is for the server to say. */
function pathOf(value: unknown, key: string): string {
  return typeof value === 'string' && /^[!-~]+$/.test(value) ? value : refuse(key, value, 'a path such as "/a%20b?c=d", percent-encoded')
}
