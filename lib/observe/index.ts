/// <reference types="node" preserve="true" />
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { ArgumentError } from '../errors.js'
import type { Events } from './events.js'

export type {
  ConnectionClosed, ConnectionOpened, Events, HandshakeFailed, Outcome, Rejected, RequestEnded, RequestStarted, WebSocketClosed,
  WebSocketMessage, WebSocketOpened,
} from './events.js'

/**
 * Calls `listener` for each event of one name, in the step in which it happens, until the returned function is called. Its
 * first error is printed to stderr; none reaches the server. A listener that subscribes to the channel itself has no such
 * protection: there, an error becomes an `uncaughtException` of the process.
 * @throws ArgumentError if `listener` is not a function
 */
export function observe<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): () => void {
  if (typeof listener !== 'function') throw new ArgumentError('listener', `listener must be a function, got ${typeof listener}`)
  let failed = false
  const fail = (error: unknown): void => {
    if (!failed) console.error(`leveret: an observer of ${name} failed; more of its failures are not reported:`, error)
    failed = true
  }
  const receive = (event: unknown): void => {
    try {
      const given: unknown = listener(event as Events[Name])
      if (given instanceof Promise) given.catch(fail)
    } catch (error) {
      fail(error)
    }
  }
  subscribe(name, receive)
  return () => void unsubscribe(name, receive)
}
