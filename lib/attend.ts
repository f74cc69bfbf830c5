import { scope, wait, type Op } from '../lev/index.js'
import type { Exchange } from './exchange.js'
import { takeOver } from './producers.js'

/** Waits for what answers a request, and cancels it if the client goes away, or the server stops, meanwhile. */
export function* attend<T>(exchange: Exchange, work: Op<T>): Op<T> {
  const { client, settings } = exchange.connection
  let over = false
  try {
    return yield* scope(function* (around) {
      client.onGone = (how) => {
        if (how === 'end' && settings.half_close === 'answer') return
        exchange.abort('client gone')
        around.cancel('client gone')
      }
      // It may have gone before its request had its turn.
      if (!client.isOpen) client.onGone('close')
      else if (client.inputEnded) client.onGone('end')
      const given = yield* work
      takeOver(given)
      over = true
      return given
    })
  } catch (error) {
    over = true
    throw error
  } finally {
    client.onGone = null
    if (!over) exchange.abort('the server stopped')
  }
}

/** Waits for a promise; `drop` gets its value if that comes when nobody waits any more. */
export function* waitOrDrop<T>(promise: PromiseLike<T>, drop: (value: T) => void): Op<T> {
  let over = false
  try {
    const value = yield* wait(promise)
    over = true
    return value
  } catch (error) {
    over = true
    throw error
  } finally {
    if (!over) promise.then(drop, () => {})
  }
}
