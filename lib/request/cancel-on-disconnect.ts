import type { Op } from '../../lev/index.js'
import { callAt, keepContext, PromiseWait, runningTask, scopeAfter, type Scope } from '../../lev/internal.js'
import { lingerSeconds } from '../config/fixed-limits.js'
import type { Exchange } from './exchange.js'
import { cancelContent, takeOver } from '../response/content-source.js'

/** The hook on a client's stream, with the function that takes back the handler's deadline if it has one. */
interface Watch {
  (how: 'end' | 'close'): void
  unwatchTime?: () => void
}

/**
 * Calls `cancel` when the client disconnects, at once if it has, unless the handler is uninterruptible; and when the handler has taken
 * too long.
 */
function watch(exchange: Exchange, cancel: () => void): Watch {
  const { client, settings } = exchange.connection
  const onGone: Watch = (how) => {
    // A reader of the body sees the end itself, as an error.
    if (how === 'end' && (settings.half_close === 'answer' || exchange.body?.waiting === true)) return
    // The client may still read pending output, such as responses to earlier requests; one that does not is not waited for.
    client.stallTimeout = Math.min(client.stallTimeout, lingerSeconds)
    if (exchange.limits?.uninterruptible === true) return exchange.leave('client gone')
    exchange.abort('client gone')
    cancel()
  }
  client.onGone.attach(onGone)
  // The client may have disconnected before its request was processed.
  if (!client.isOpen) onGone('close')
  else if (client.inputEnded && exchange.body?.incomplete !== true) onGone('end')
  if (exchange.handlerDeadline !== null) {
    onGone.unwatchTime = callAt(exchange.handlerDeadline, () => {
      exchange.timeOut()
      cancel()
    })
  }
  return onGone
}

function unwatch(exchange: Exchange, onGone: Watch | null): void {
  exchange.connection.client.onGone.detach(onGone)
  onGone?.unwatchTime?.()
}

/**
 * Runs `work`, which responds to a request, and waits for the tasks that the handler has spawned. All are cancelled if the client
 * disconnects, the server stops or the handler's time is over first. If they do not complete, `drop` gets the value of `work`, if it
 * has one.
 */
export function* cancelOnDisconnect<T>(exchange: Exchange, work: Op<T>, drop: (given?: T) => void = cancelContent): Op<T> {
  let given: T | undefined
  let onGone: Watch | null = null
  let whole = false
  let failed = false
  try {
    const value = yield* scopeAfter(exchange, function* (around) {
      exchange.tasks = around
      onGone = watch(exchange, () => around.cancel(exchange.timedOut ? 'timeout' : 'client gone'))
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
    exchange.tasks = null
    unwatch(exchange, onGone)
    if (!whole && !failed) exchange.abort('the server stopped')
    if (!whole) drop(given)
  }
}

/**
 * Waits for a handler's promise, if the handler has spawned no tasks: with nothing to cancel there is no need for a scope, which
 * would double the cost of the request. Undefined if the client disconnects or the handler's time is over first, as
 * `exchange.gone` and `exchange.timedOut` show. If the wait ends before the promise settles, `late` is called.
 */
export function* settledOrGone<T>(exchange: Exchange, promise: PromiseLike<T>, late: () => void): Op<T | undefined> {
  const wait = new PromiseWait(promise, false)
  let onGone: Watch | null = null
  let over = false
  let failed = false
  try {
    onGone = watch(exchange, () => wait.interrupt())
    const value = exchange.gone === null && !exchange.timedOut ? ((yield wait) as T) : undefined
    over = wait.settled
    takeOver(value)
    return value
  } catch (error) {
    over = wait.settled
    failed = true
    throw error
  } finally {
    unwatch(exchange, onGone)
    if (!over && !failed) exchange.abort('the server stopped')
    if (!over) late()
    if (exchange.tasks !== null) yield* endTasks(exchange, exchange.tasks)
  }
}

/** Ends the tasks that async code has begun and no longer waits for. */
function* endTasks(exchange: Exchange, tasks: Scope): Op<void> {
  tasks.cancel(exchange.timedOut ? 'timeout' : exchange.gone ?? 'the handler has returned')
  yield* tasks.finish()
}
