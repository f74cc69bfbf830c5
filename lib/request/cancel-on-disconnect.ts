import type { Op } from '../../lev/index.js'
import { keepContext, runningTask, scopeAfter } from '../../lev/internal.js'
import { lingerSeconds } from '../config/fixed-limits.js'
import type { Exchange } from './exchange.js'
import { cancelContent, takeOver } from '../response/content-source.js'

/**
 * Runs `work`, which responds to a request, and waits for the tasks that the handler has spawned. All are cancelled if the client
 * disconnects or the server stops first. If they do not complete, `drop` gets the value of `work`, if it has one.
 */
export function* cancelOnDisconnect<T>(exchange: Exchange, work: Op<T>, drop: (given?: T) => void = cancelContent): Op<T> {
  const { client, settings } = exchange.connection
  let given: T | undefined
  let onGone: ((how: 'end' | 'close') => void) | null = null
  let whole = false
  let failed = false
  try {
    const value = yield* scopeAfter(exchange, function* (around) {
      onGone = (how) => {
        // A reader of the body sees the end itself, as an error.
        if (how === 'end' && (settings.half_close === 'answer' || exchange.body?.waiting === true)) return
        // The client may still read pending output, such as responses to earlier requests; one that does not is not waited for.
        client.stallTimeout = Math.min(client.stallTimeout, lingerSeconds)
        exchange.abort('client gone')
        around.cancel('client gone')
      }
      client.onGone.attach(onGone)
      // The client may have disconnected before its request was processed.
      if (!client.isOpen) onGone('close')
      else if (client.inputEnded && exchange.body?.incomplete !== true) onGone('end')
      given = yield* work
      takeOver(given)
      exchange.context = keepContext()
      return given
    })
    // The cancellation may have come after the handler's return, while its tasks ran.
    yield* runningTask('this').cancellation.unwind()
    whole = true
    return value
  } catch (error) {
    failed = true
    throw error
  } finally {
    client.onGone.detach(onGone)
    if (!whole && !failed) exchange.abort('the server stopped')
    if (!whole) drop(given)
  }
}
