import net from 'node:net'
import { performance } from 'node:perf_hooks'
import type { Completion, ConnectOptions, Driver, ListenerTransport, ListenOptions, Transport } from './driver.js'
import { SocketTransport } from './socket-transport.js'

/** The longest time that setTimeout takes, in milliseconds. */
const longestTimer = 2 ** 31 - 1

/** Seconds since 1970-01-01T00:00:00Z by the system's clock: for what is real on every driver, such as certificates. */
export function systemTime(): number {
  return Date.now() / 1000
}

/** The driver that people use: node:net and the system's clocks. */
export function nodeDriver(): Driver {
  let turn = (): void => {}
  let timer: NodeJS.Timeout | null = null
  let timerAt = Infinity
  let soon: NodeJS.Immediate | null = null

  const now = (): number => performance.now() / 1000

  function onTimer(): void {
    timer = null
    timerAt = Infinity
    turn()
  }

  function onSoon(): void {
    soon = null
    turn()
  }

  return {
    now,
    wallClock: systemTime,
    start(run) {
      turn = run
    },
    wakeAt(time) {
      // A timer that is too early only costs an idle turn; so it is moved only to an earlier time.
      if (time >= timerAt && time !== Infinity) return
      if (timer !== null) clearTimeout(timer)
      timer = null
      timerAt = time
      if (time !== Infinity) timer = setTimeout(onTimer, Math.min(longestTimer, Math.max(1, Math.ceil((time - now()) * 1000))))
    },
    wakeSoon() {
      soon ??= setImmediate(onSoon)
    },
    stop() {
      if (timer !== null) clearTimeout(timer)
      if (soon !== null) clearImmediate(soon)
      turn = () => {}
    },
    awaitOutside() {},
    listen: (options, accept, done) => listen(options, accept, done, () => turn()),
    connect: (options, done) => connect(options, done, () => turn()),
  }
}

function listen(
  options: ListenOptions,
  accept: (transport: Transport) => void,
  done: Completion<ListenerTransport>,
  turn: () => void,
): void {
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true })
  server.on('connection', (socket) => {
    accept(new SocketTransport(socket, turn))
    turn()
  })
  server.once('error', (error) => {
    done(error, null)
    turn()
  })
  server.listen({ host: options.ip, port: options.port, backlog: options.backlog }, () => {
    server.removeAllListeners('error')
    // From here on, what can fail is one accept (no file descriptor left, say): the next may work.
    server.on('error', () => {})
    const bound = server.address()
    const address = typeof bound === 'object' && bound !== null ? { ip: bound.address, port: bound.port } : options
    done(null, { address, close: () => server.close() })
    turn()
  })
}

function connect(options: ConnectOptions, done: Completion<Transport>, turn: () => void): () => void {
  const socket = net.connect({ host: options.ip, port: options.port, allowHalfOpen: true, noDelay: true })
  socket.once('error', failed)
  socket.once('connect', () => {
    socket.off('error', failed)
    socket.pause()
    done(null, new SocketTransport(socket, turn))
    turn()
  })
  function failed(error: Error): void {
    done(error, null)
    turn()
  }
  return () => {
    socket.off('error', failed)
    socket.on('error', () => {})
    socket.destroy()
  }
}
