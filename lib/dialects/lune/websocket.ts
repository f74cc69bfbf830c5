import { isUtf8 } from 'node:buffer'
import { portal, type Portal } from '../../../lev/index.js'
import { asBuffer } from '../../../lev/internal.js'
import type { WebSocketClientOptions } from '../../client/websocket-options.js'
import { ArgumentError } from '../../errors.js'
import type { WebSocket as CoreWebSocket } from '../../websocket/websocket.js'
import { openWebSocket } from '../shared/dialling.js'
import { SendQueue } from '../shared/send-queue.js'
import { begun, done, waiting, type Waiting } from '../../waiting.js'

/** A WebSocket, of a server or a client. */
export class WebSocket {
  readonly #ws: CoreWebSocket
  readonly #world: Portal = portal()
  readonly #queue: SendQueue

  /** @internal Must be called in a task of the WebSocket's world. */
  constructor(ws: CoreWebSocket) {
    this.#ws = ws
    this.#queue = new SendQueue(ws, this.#world)
  }

  /** The close code, 1000 to 4999; null while the WebSocket is open. Set at once by `close`. */
  get closeCode(): number | null {
    return this.#ws.closeCode
  }

  /**
   * Sends a message at once; waiting for the result waits until there is room for more. Rejects with ClosedError if the
   * WebSocket is closed.
   * @param asBinary whether to send it as binary data or as text. Default: a string as text, bytes as binary data
   * @throws ArgumentError if `message` is not a message, or has bytes to be sent as text that are not UTF-8
   */
  send(message: string | Uint8Array, asBinary?: boolean | null): Waiting<void> {
    const sending = this.#queue.send(messageOf(message, asBinary ?? typeof message !== 'string'))
    return sending === null ? done() : begun(sending)
  }

  /** Waits for the next message: text as a string, binary data as bytes. Null at once if the WebSocket is closed. */
  next(): Waiting<string | Buffer | null> {
    return waiting(() => this.#ws.next(), this.#world)
  }

  /**
   * Closes the WebSocket. Does nothing if it is already closed.
   * @param code 1000 to 1003, 1007 to 1014, or 3000 to 4999. Default: 1000
   * @throws RangeError for any other code
   */
  close(code?: number | null): void {
    this.#ws.close(code ?? 1000)
  }
}

function messageOf(message: string | Uint8Array, binary: boolean): string | Uint8Array {
  if (typeof message === 'string') return binary ? Buffer.from(message) : message
  if (!(message instanceof Uint8Array)) throw new ArgumentError('message', `message must be a string or bytes, got ${typeof message}`)
  if (binary) return message
  if (!isUtf8(message)) throw new ArgumentError('message', 'message is to be text, but is not UTF-8')
  return asBuffer(message).toString()
}

/**
 * Opens a WebSocket, which lives until it is closed.
 * @param settings options of the core: subprotocols, headers, TLS, limits
 * @throws ArgumentError; RequestError if there is no response; UpgradeError if the server opens no WebSocket; TimeoutError
 */
export function socket(url: string, settings?: WebSocketClientOptions | null): Waiting<WebSocket> {
  if (!URL.canParse(url)) throw new ArgumentError('url', `url must be a URL, got ${JSON.stringify(String(url).slice(0, 200))}`)
  return waiting(function* () {
    return new WebSocket((yield* openWebSocket(url, settings)).ws)
  })
}
