import { breathe, ClosedError, now, semaphore, TimeoutError, UsageError, type Address, type Op, type Semaphore, type Stream } from '../../lev/index.js'
import { unsentLimitBytes, watchMethods } from '../../lev/internal.js'
import { closeReasons } from './close-reasons.js'
import { PerMessageDeflate } from './deflate.js'
import { checkClose, CLOSE, closeContent, FAILED, FIN, NEED_MORE, PING } from './frames.js'
import type { Agreed, WebSocketLimits, Ending } from './limits.js'
import { ReceiveQueue, Wakeup } from './receive-queue.js'
import { InflateBudget } from './inflate-budget.js'
import { CLOSED, MESSAGE, MessageReader, PINGED, PONGED, type Message } from './messages.js'
import { Pings } from './pings.js'
import { Sender, sizeOf } from './sender.js'
import { Liveness, type Phase } from './liveness.js'

export type { Message } from './messages.js'

/** The other side has gone without a close frame; never sent (RFC 6455 section 7.4.1). */
const lost = 1006

const nothing = Buffer.alloc(0)

/**
 * One WebSocket (RFC 6455), on a stream whose handshake is done.
 *
 * Messages are read while `next` waits for them, and, in a task that runs `pump`, all the time: only then are pings
 * answered, and a close noticed, while nobody waits for a message.
 */
export class WebSocket {
  /** The subprotocol that was agreed on; empty: none. */
  readonly protocol: string
  /** Why it is closed: the code that was sent or received first; 1005: none was given, 1006: the connection was lost. Null: it is open. */
  closeCode: number | null = null
  /** What was said beside `closeCode`. */
  closeReason = ''
  /** Called when `trySend` had no room, or left more than half of `queue_limit` unsent: `drained` waits for the end of that. */
  onFull: (() => void) | null = null
  /** @internal Called when `pump` reads no more; what is unsent then has `close_timeout` seconds to leave. */
  onOver: (() => void) | null = null
  readonly #stream: Stream
  readonly #limits: WebSocketLimits
  readonly #sender: Sender
  readonly #reader: MessageReader
  #pings: Pings | null = null
  /** Lets the tasks that wait in `send` wait for room one after the other, in the order of asking. Null: none ever did. */
  #sending: Semaphore | null = null
  readonly #received = new ReceiveQueue()
  /** Who waits for a message, and `pump` when it waits for one to be taken. */
  readonly #arrival = new Wakeup()
  /** Whether a task is in `next`. */
  #receiving = false
  readonly #taken = new Wakeup()
  #pumping = false
  /** Whether a message was taken by somebody who has not come for the next one since. */
  #busy = false
  /** How it will end once the messages before that are dealt with: the other side has closed, or broken the rules. */
  #ending: Ending | null = null
  /** Nothing is read any more: both have closed, or the connection is lost. */
  #over = false
  readonly #liveness: Liveness

  /** @internal @param budget what inflating may cost beyond what the peer's bytes earn */
  constructor(stream: Stream, agreed: Agreed, limits: WebSocketLimits, budget = new InflateBudget()) {
    const { client, protocol, compression } = agreed
    this.#stream = stream
    this.#limits = limits
    this.protocol = protocol
    const deflate = compression === null ? null : new PerMessageDeflate(compression, compression, client, budget, stream)
    this.#sender = new Sender(stream, client, deflate, limits.queue_limit)
    this.#reader = new MessageReader({ masked: !client, limit: limits.max_message_size }, deflate)
    this.#liveness = new Liveness(limits)
  }

  /** Whether messages can be sent still. */
  get isOpen(): boolean {
    return this.closeCode === null
  }

  /** Bytes that wait to be sent. */
  get unsent(): number {
    return this.#stream.unsent
  }

  /** Address of this end of the connection. */
  get local(): Address {
    return this.#stream.local
  }

  /** Address of the peer. */
  get remote(): Address {
    return this.#stream.remote
  }

  /**
   * The next message: text as a string, binary data as bytes, which are the caller's own. Null once the WebSocket is
   * closed; what had arrived before the other side closed it is given first.
   * @throws UsageError if another task waits for a message already
   */
  *next(): Op<Message | null> {
    if (this.#receiving) throw new UsageError('two tasks wait for the messages of one WebSocket')
    this.#receiving = true
    this.#busy = false
    try {
      for (;;) {
        const message = this.#received.take()
        if (message !== null) {
          this.#busy = true
          this.#taken.wake()
          return message
        }
        if (this.#ending !== null) this.#settle()
        if (this.closeCode !== null) return null
        if (this.#pumping) yield this.#arrival
        else yield* this.#read()
      }
    } finally {
      this.#receiving = false
    }
  }

  /**
   * Sends a message, once there is room for it; a task that is cancelled while it waits has sent nothing. Bytes are not
   * copied and must not be changed until they have left.
   * @returns how many bytes that were, the frame's own included
   * @throws ClosedError when the WebSocket is closed, or gets closed meanwhile; TypeError for what is no message
   */
  *send(data: string | Uint8Array): Op<number> {
    const size = sizeOf('send', data)
    if (this.#sending?.available === 0 || !this.#hasSendRoom(size)) {
      if (this.#limits.on_full === 'wait') yield* (this.#sending ??= semaphore(1)).with(this.#untilRoom(size))
      else {
        // Output leaves in the turns of the others: only what is left after that counts as too slow.
        yield* breathe()
        if (!this.#sender.hasRoom(size)) this.#overflow()
      }
    }
    if (this.closeCode !== null || !this.#stream.isOpen) throw new ClosedError('the WebSocket is closed')
    return this.#sender.put(data, size)
  }

  /** Whether `send` need not wait. */
  #hasSendRoom(size: number): boolean {
    const { unsent } = this.#stream
    return this.closeCode !== null || unsent === 0 || unsent + size <= this.#sendRoom
  }

  /** Bytes up to which `send` adds to what is unsent. */
  get #sendRoom(): number {
    const { queue_limit, on_full } = this.#limits
    return on_full === 'wait' ? Math.min(queue_limit, unsentLimitBytes) : unsentLimitBytes
  }

  *#untilRoom(size: number): Op<void> {
    this.#endUnread()
    while (!this.#hasSendRoom(size)) yield* this.#sender.waitForDrain(Math.max(0, this.#sendRoom - size))
  }

  /**
   * Sends a message if there is room for it now. May be called from anywhere.
   * @returns how many bytes were queued, the frame's own included; 0: none, since the queue is full (with `on_full: "close"`
   * the WebSocket has been closed for that) or the WebSocket is closed
   * @throws TypeError for what is no message
   */
  trySend(data: string | Uint8Array): number {
    const size = sizeOf('trySend', data)
    if (this.closeCode !== null || !this.#stream.isOpen) return 0
    const { queue_limit, on_full } = this.#limits
    const room = this.#sender.hasRoom(size)
    const put = room ? this.#sender.put(data, size) : 0
    if (!room && on_full === 'close') this.#overflow()
    else if (!room || this.#stream.unsent > queue_limit >>> 1) this.onFull?.()
    return put
  }

  /** Waits until at most half of `queue_limit` waits to be sent. @throws ClosedError when the WebSocket gets closed meanwhile */
  *drained(): Op<void> {
    const half = this.#limits.queue_limit >>> 1
    yield* this.#sender.waitForDrain(half)
    if (this.#stream.unsent > half) throw new ClosedError('the WebSocket is closed')
  }

  /**
   * Sends a ping, at once; it does nothing when the WebSocket is closed. May be called from anywhere. Who wants to know waits for the
   * pong: `yield* ws.ping()` gives the seconds until it came. Bound that with `lev.timeout`.
   * @throws ClosedError, in the waiting, when the WebSocket is closed or gets closed meanwhile
   */
  ping(): Op<number> {
    if (this.closeCode !== null) return this.#roundTrip(null, 0, 0)
    const pings = (this.#pings ??= new Pings())
    const { now: at } = this.#stream
    this.#sender.frame(FIN | PING, pings.next())
    return this.#roundTrip(pings, pings.sent, at)
  }

  *#roundTrip(pings: Pings | null, ping: number, at: number): Op<number> {
    if (pings !== null && pings.pongOf(ping) === null && this.closeCode === null) yield* pings.wait(ping)
    const pongedAt = pings === null ? null : pings.pongOf(ping)
    if (pongedAt === null) throw new ClosedError('the WebSocket is closed')
    return pongedAt - at
  }

  /**
   * Closes: `closeCode` is set and `next` gives null from here on; the other side is told, and has `close_timeout`
   * seconds to answer. Harmless when the WebSocket is closed already. May be called from anywhere.
   * @param code 1000 to 1003, 1007 to 1014, or 3000 to 4999
   * @param reason at most 123 bytes of UTF-8
   * @throws RangeError, TypeError for an argument that cannot be sent
   */
  close(code = 1000, reason = ''): void {
    checkClose(code, reason)
    if (this.closeCode !== null) return
    this.#received.clear()
    if (this.#ending !== null) return this.#settle()
    this.#sender.frame(FIN | CLOSE, closeContent(code, reason))
    this.#closed(code, reason)
    // Whoever reads now learns of the deadline: here there may be no clock.
    this.#stream.readDeadline = 0
  }

  /**
   * Ends the connection at once: nothing more is sent or waited for, `next` gives null, and `closeCode` is 1006 unless the
   * WebSocket was closed before. Harmless when repeated. May be called from anywhere.
   */
  terminate(): void {
    this.#received.clear()
    this.#lose(closeReasons.terminated.reason)
    this.#over = true
    this.#stream.reset()
  }

  /**
   * Reads until the WebSocket is closed on both sides, or lost, and then ends the output, within `close_timeout`: for a task of
   * its own beside those that use the WebSocket.
   * @throws UsageError while it is read already
   */
  pump(): Op<void> {
    if (this.#pumping) throw new UsageError('one WebSocket is pumped by two tasks')
    this.#stream.refuseSecondReader()
    // From now on, also if its task takes its first step after others.
    this.#pumping = true
    return this.#pump()
  }

  *#pump(): Op<void> {
    // While reading pauses, only this tells of a loss, or of an end.
    this.#stream.onGone = (how) => {
      if (how === 'close') this.#taken.wake()
      else this.#endUnread()
    }
    // Inflating is for this task: it may take long.
    if (!this.#reader.inflates) this.#stream.tap = (bytes, size, at) => this.#take(bytes, size, at)
    try {
      while (!this.#over) {
        if (!this.#received.isFull || this.#ending !== null) yield* this.#read()
        else if (!this.#stream.isOpen) this.#lose('the connection was lost')
        else if (!this.#endUnread()) yield this.#taken
      }
      this.onOver?.()
      this.#stream.writeDeadline = now() + this.#limits.close_timeout
      yield* this.#stream.end()
    } catch (error) {
      if (!(error instanceof ClosedError || error instanceof TimeoutError)) throw error
    } finally {
      this.#pumping = false
      this.#stream.tap = null
      this.#stream.onGone = null
      this.#stream.readDeadline = Infinity
    }
  }

  /**
   * The other side has ended its sending behind messages that nobody takes, while `send` waits for it to take some: who left
   * without a close takes nothing, as a rule, and the handler that waits would see the end last of all. Gives whether it is so.
   */
  #endUnread(): boolean {
    const unread = this.#stream.inputEnded && this.#received.isFull && this.#sending?.available === 0
    if (unread) this.#lose(closeReasons.left.reason)
    return unread
  }

  /** Takes what has arrived; if that is nothing whole, waits for more. */
  *#read(): Op<void> {
    const stream = this.#stream
    // Behind a close there is nothing to be read.
    if (this.#ending !== null) stream.consume(stream.inputEnd - stream.inputStart)
    else {
      stream.consume(this.#parse(stream.input, stream.inputStart, stream.inputEnd) - stream.inputStart)
      if (!this.#wantsMore || !(this.#pumping || this.#received.isEmpty)) return
    }
    try {
      stream.readDeadline = this.#liveness.deadline(this.#phase)
      if (!(yield* stream.fill())) return this.#lose(closeReasons.left.reason)
      this.#liveness.onActivity(now())
    } catch (error) {
      if (error instanceof TimeoutError && stream.isOpen) this.#onTimeout()
      else if (error instanceof ClosedError || error instanceof TimeoutError) this.#lose(error.message)
      else throw error
    }
  }

  /**
   * Takes what arrives as it does, while `pump` waits for it: the bytes are copied nowhere but into messages, `pump` takes no
   * step, and no timer is set. Of a message of 128 bytes that is sent back, this is 6 % of the CPU time.
   */
  #take(bytes: Buffer, size: number, at: number): number {
    if (!this.#wantsMore) return 0
    this.#liveness.onActivity(at)
    const taken = this.#parse(bytes, 0, size)
    // The wait has another end from here on.
    if (this.#ending !== null || this.#over) this.#stream.wakeReader(true)
    return taken
  }

  /** Whether messages can be taken from the input still. */
  get #wantsMore(): boolean {
    return !this.#over && this.#ending === null && !this.#received.isFull
  }

  /** Takes messages and control frames from bytes[start, end), and gives up to where. */
  #parse(bytes: Buffer, start: number, end: number): number {
    const reader = this.#reader
    let at = start
    while (this.#wantsMore) {
      const event = reader.next(bytes, at, end)
      at = reader.position
      if (event === NEED_MORE) break
      if (event === MESSAGE) this.#receive(reader.message)
      else if (event === PINGED) this.#pong(reader.content)
      else if (event === PONGED) this.#pings?.pong(reader.content, this.#stream.now)
      else if (event === CLOSED) this.#end(reader.code, reader.reason, reader.code === 1005 ? nothing : closeContent(reader.code, ''))
      else if (event === FAILED) this.#end(reader.code, reader.reason, closeContent(reader.code, reader.reason))
    }
    return at
  }

  #receive(message: Message): void {
    // What arrives after this side has closed has no reader any more.
    if (this.closeCode !== null) return
    this.#received.add(message)
    this.#arrival.wake()
  }

  #pong(content: Buffer): void {
    if (this.closeCode === null) this.#sender.pong(content)
  }

  /** Nothing is read any more. The close is answered once all messages before it are dealt with. */
  #end(code: number, reason: string, answer: Buffer): void {
    this.#ending = { code, reason, answer }
    if (this.closeCode !== null || (this.#received.isEmpty && !this.#busy)) this.#settle()
  }

  #settle(): void {
    this.#over = true
    if (this.closeCode === null && this.#ending !== null) {
      this.#sender.frame(FIN | CLOSE, this.#ending.answer)
      this.#closed(this.#ending.code, this.#ending.reason)
    }
    this.#stream.readDeadline = 0
  }

  #lose(reason: string): void {
    if (this.#ending !== null) return this.#settle()
    this.#over = true
    if (this.closeCode === null) this.#closed(lost, reason)
  }

  #closed(code: number, reason: string): void {
    this.closeCode = code
    this.closeReason = reason
    this.#pings?.close()
    this.#sender.close()
    this.#arrival.wake()
    this.#taken.wake()
  }

  get #phase(): Phase {
    return this.#ending !== null ? 'ending' : this.closeCode !== null ? 'closing' : 'open'
  }

  /** Nothing came in time, or `close` was called. */
  #onTimeout(): void {
    if (this.#over) return
    const verdict = this.#liveness.timedOut(this.#phase, this.#stream.unsent > 0)
    if (verdict === 'ping') this.#sender.frame(FIN | PING, nothing)
    else if (verdict === 'settle') this.#settle()
    else if (verdict === 'dead') {
      this.#lose(closeReasons.noPong.reason)
      this.#stream.reset()
    } else if (verdict === 'give up') {
      this.#over = true
      this.#stream.close()
    }
  }

  #overflow(): void {
    this.close(closeReasons.tooSlow.code, closeReasons.tooSlow.reason)
  }
}

watchMethods(WebSocket.prototype, 'next', 'send', 'drained')
