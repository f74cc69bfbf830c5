import net from 'node:net'
import tls from 'node:tls'
import { readResponses } from '../responses.js'
import { cipher } from '../cipher.js'
import { random } from '../content.js'
import { Count } from '../load/counter.js'
import { arrivals, lasting } from '../schedule.js'
import { percentile } from '../statistics.js'
import { bytesToSend, orders, type Orders, type Report } from './orders.js'

/**
 * Requests at times that were fixed before, whatever becomes of them: a request whose time has come while all connections
 * are busy waits for one, and its latency counts from its time on. So a server that stalls is charged with all that it kept
 * waiting (no coordinated omission).
 */

/** What is found besides what every generator reports. Milliseconds; null where too few requests tell. */
export interface LatencyReport extends Report {
  readonly p50: number | null
  readonly p99: number | null
  readonly p999: number | null
  readonly max: number | null
  /** How late this program itself was at sending, for 99 of 100 requests. */
  readonly late: number | null
}

interface Connection {
  readonly socket: net.Socket
  /** Bytes of a response, known after the first one. */
  size: number
  received: number
  /** The time that the request under way was to be sent at. */
  due: number
}

function connect({ port, secure }: Orders, request: Buffer, onResponse: (connection: Connection) => void): Promise<Connection> {
  const address = { port, host: '127.0.0.1' }
  return new Promise((resolve, reject) => {
    const socket = secure ? tls.connect({ ...address, rejectUnauthorized: false, ciphers: cipher }) : net.connect(address)
    const connection: Connection = { socket, size: 0, received: 0, due: 0 }
    let first = ''
    socket.setNoDelay(true)
    socket.on('error', reject)
    socket.on('end', () => reject(new Error('the connection was closed')))
    socket.on('data', (data: Buffer) => {
      connection.received += data.length
      if (connection.size === 0) {
        first += data.toString('latin1')
        if (readResponses(first).length === 0) return
        connection.size = connection.received
        connection.received = 0
        resolve(connection)
      } else if (connection.received >= connection.size) {
        connection.received -= connection.size
        onResponse(connection)
      }
    })
    socket.write(request)
  })
}

async function run(told: Orders): Promise<LatencyReport> {
  const { schedule } = told
  if (schedule === undefined) throw new Error('no schedule')
  const { rate, settle, window, seed } = schedule
  const request = bytesToSend(told)
  const count = new Count(told.counter)
  const next = arrivals(rate, settle + window, random(seed))
  const latencies: number[] = []
  const lateness: number[] = []
  const waiting: number[] = []
  let firstWaiting = 0
  const idle: Connection[] = []
  let start = 0
  const clock = (): number => performance.now() / 1000 - start
  const send = (connection: Connection, due: number): void => {
    connection.due = due
    connection.socket.write(request)
  }
  const onResponse = (connection: Connection): void => {
    count.add(1)
    if (connection.due >= settle) latencies.push(clock() - connection.due)
    if (firstWaiting < waiting.length) send(connection, waiting[firstWaiting++])
    else idle.push(connection)
  }
  const all: Connection[] = []
  for (let index = 0; index < told.connections; index++) all.push(await connect(told, request, onResponse))
  idle.push(...all)
  start = performance.now() / 1000
  let due = next()
  await new Promise<void>((resolve) => {
    const turn = (): void => {
      for (const now = clock(); due <= now; due = next()) {
        if (due >= settle) lateness.push(now - due)
        const connection = idle.shift()
        if (connection !== undefined) send(connection, due)
        else waiting.push(due)
      }
      const over = due === Infinity && idle.length === all.length
      if (over || clock() > settle + window + lasting) resolve()
      // Not a timer: those come a millisecond late.
      else setImmediate(turn)
    }
    turn()
  })
  const late = all.filter((connection) => !idle.includes(connection)).map((connection) => connection.due)
  const pending = [...late, ...waiting.slice(firstWaiting)].filter((one) => one >= settle)
  // Their latency is longer than this.
  for (const one of pending) latencies.push(clock() - one)
  count.write()
  const [sorted, sortedLateness] = [latencies, lateness].map((list) => Float64Array.from(list, (one) => one * 1000).sort())
  return {
    requests: count.value,
    faults: pending.length === 0 ? [] : [`${pending.length} requests had no response ${lasting} s after the last one was sent`],
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    p999: percentile(sorted, 0.999),
    max: sorted.at(-1) ?? null,
    late: percentile(sortedLateness, 0.99),
  }
}

run(orders()).then((report) => process.stdout.write(JSON.stringify(report), () => process.exit()), (error: unknown) => {
  console.error(error)
  process.exit(1)
})
