import { scope, type Op } from '../lev/index.js'
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
