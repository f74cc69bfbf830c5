/*
 * The states of a request, the transitions between them and who may ask for one. Nothing else changes a state: the field is
 * private to this file. `test/lib/request/states.test.ts` holds the table to what requests do.
 */

/** Each state is a bit, so that a set of states is a mask. */
export const states = {
  /** No byte of the request has arrived. */
  idle: 1,
  /** Part of the head has arrived. */
  head: 2,
  /** The head is read; the body is read if the handler gets it whole. */
  body: 4,
  /** The handler was called, and no byte of the final response was written except by the handler itself. */
  handler: 8,
  /** The response has begun. */
  sending: 16,
  /** The request has ended and was logged. A WebSocket runs in this state. */
  done: 32,
} as const

/** A step from one of the states in the mask `from` to another. */
export interface Transition {
  readonly from: number
  readonly to: number
  /** The folders of `lib` whose code may ask for it. */
  readonly by: readonly string[]
}

const { idle, head, body, handler, sending, done } = states

/** All transitions there are. */
export const transitions = {
  /** The first byte of the head has arrived, and the rest has to be waited for. */
  headBegun: { from: idle, to: head, by: ['request'] },
  headRead: { from: idle | head, to: body, by: ['request'] },
  handlerCalled: { from: body, to: handler, by: ['request'] },
  /** The head of the final response is about to be written: the handler's, or that of a rejection. */
  responseBegun: { from: idle | head | body | handler, to: sending, by: ['response'] },
  /** From `handler` if the handler has written the response itself. */
  responseEnded: { from: handler | sending, to: done, by: ['request'] },
  /** The request ends without a whole response: the client is gone, or the server has stopped waiting. */
  abandoned: { from: idle | head | body | handler | sending, to: done, by: ['request'] },
} as const satisfies Record<string, Transition>

/** The state of one request, and the questions that others ask about it. */
export class RequestState {
  #state: number = idle

  /** Makes a transition. @throws Error if the table does not allow it, which is a bug of the server */
  advance(transition: Transition): void {
    if ((this.#state & transition.from) === 0) throw new Error(`a request in state ${this.#state} cannot go to ${transition.to}`)
    this.#state = transition.to
  }

  /** Whether the first byte of the request is still awaited. */
  get isIdle(): boolean {
    return this.#state === idle
  }

  /** Whether the handler was not called yet, so that an error is not its fault. */
  get isBeforeHandler(): boolean {
    return (this.#state & (idle | head | body)) !== 0
  }

  /** Whether the response to the handler's errors can still be chosen, unless the handler has written one itself. */
  get isInHandler(): boolean {
    return this.#state === handler
  }

  /** Whether the final response has begun and has not ended. */
  get isSending(): boolean {
    return this.#state === sending
  }

  /** Whether the request has ended. */
  get isDone(): boolean {
    return this.#state === done
  }

  /** Whether an interim response can be sent: the head is read and no final response has begun. */
  get mayPutInterim(): boolean {
    return (this.#state & (body | handler)) !== 0
  }

  /** Whether a request that is abandoned now gets a log line: one whose head was read. */
  get isLogged(): boolean {
    return (this.#state & (body | handler | sending)) !== 0
  }
}
