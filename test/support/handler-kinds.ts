import * as lev from '../../lev/index.js'
import type { Op } from '../../lev/index.js'
import type { Handler, HandlerResult } from '../../lib/index.js'

/** Each way to write a function of a service: it gives `value`, or throws `error`. */
export const kinds: Record<string, (make: () => HandlerResult) => ReturnType<Handler>> = {
  plain: (make) => make(),
  *generator(make) {
    yield* lev.sleep(1)
    return make()
  },
  'generator that does not wait': function* (make) {
    return make()
  },
  async async(make) {
    await Promise.resolve()
    return make()
  },
  async 'async that gives a coroutine'(make) {
    await Promise.resolve()
    return (function* (): Op<HandlerResult> {
      yield* lev.sleep(1)
      return make()
    })()
  },
  thenable: (make) => ({ then: (give: (value: HandlerResult) => void, fail: (error: unknown) => void) => {
    try {
      give(make())
    } catch (error) {
      fail(error)
    }
  } }) as PromiseLike<HandlerResult>,
}
