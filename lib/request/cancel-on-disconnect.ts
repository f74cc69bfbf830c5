import type { Op } from '../../lev/index.js'
import { keepContext, runningTask, scopeAfter } from '../../lev/internal.js'
import { lingerSeconds } from '../config/fixed-limits.js'
import type { Exchange } from './exchange.js'
import { cancelContent, takeOver } from '../response/content-source.js'

/**
 * Waits for what answers a request, together with the tasks that its handler has spawned before, and cancels all of it if the
 * client goes away, or the server stops, meanwhile. Unless that comes to its end, `drop` gets what `work` gave till then.
 */
export function* cancelOnDisconnect<T>(exchange: Exchange, work: Op<T>, drop: (given?: T) => void = cancelContent): Op<T> {
  const { client, settings } = exchange.connection
  let given: T | undefined
  let whole = false
  let failed = false
  try {
    const value = yield* scopeAfter(exchange, function* (around) {
      client.onGone = (how) => {
        // Who waits for the rest of the body is told by that.
        if (how === 'end' && (settings.half_close === 'answer' || exchange.source?.waiting === true)) return
        // What was put in before, responses to earlier requests among it, may still be read. But who does not read is not waited for.
        client.stallTimeout = Math.min(client.stallTimeout, lingerSeconds)
        exchange.abort('client gone')
        around.cancel('client gone')
      }
      // It may have gone before its request had its turn.
      if (!client.isOpen) client.onGone('close')
      else if (client.inputEnded && exchange.source?.incomplete !== true) client.onGone('end')
      given = yield* work
      takeOver(given)
      exchange.context = keepContext()
      return given
    })
    // It may have been tasks that were cancelled, behind the handler's return.
    yield* runningTask('this').cancellation.unwind()
    whole = true
    return value
  } catch (error) {
    failed = true
    throw error
  } finally {
    client.onGone = null
    if (!whole && !failed) exchange.abort('the server stopped')
    if (!whole) drop(given)
  }
}
