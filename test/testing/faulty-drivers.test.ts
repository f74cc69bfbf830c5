// Drivers with one fault each: the tests of a driver find it.
import t from 'tap'
import * as lev from '../../lev/index.js'
import type { Driver, ListenerTransport, Transport, TransportEvents } from '../../lev/index.js'
import { networkTests } from '../../testing/network-tests.js'
import type { StreamSetup } from '../../testing/setup.js'
import { streamTests } from '../../testing/stream-tests.js'
import { connectedPair } from '../../testing/streams.js'

/** `target` with some of its members replaced. */
function changed<T extends object>(target: T, members: Partial<T>): T {
  return new Proxy(target, {
    get(_, name): unknown {
      const value: unknown = Reflect.get(name in members ? members : target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

interface Fault {
  readonly driver?: (driver: Driver) => Partial<Driver>
  readonly listener?: (listener: ListenerTransport) => Partial<ListenerTransport>
  readonly transport?: (transport: Transport) => Partial<Transport>
  readonly events?: (events: TransportEvents) => Partial<TransportEvents>
}

const none = (): object => ({})

/** The memory driver with a fault. */
function faulty({ driver: ofDriver = none, listener: ofListener = none, transport: ofTransport = none, events: ofEvents = none }: Fault): Driver {
  const driver = lev.memory()
  const wrapped = (transport: Transport): Transport => changed(
    changed(transport, { start: (events) => transport.start(changed(events, ofEvents(events))) }), ofTransport(transport),
  )
  return {
    ...driver,
    listen: (options, accept, done) => driver.listen(options, (transport) => accept(wrapped(transport)), (error, listener) => {
      done(error, listener === null ? null : changed(listener, ofListener(listener)))
    }),
    connect: (options, done) => driver.connect(options, (error, transport) => done(error, transport === null ? null : wrapped(transport))),
    ...ofDriver(driver),
  }
}

/** What a driver does wrong, and a test that fails for it. */
const faults: [fault: string, test: string, Fault][] = [
  ['a byte is lost', 'megabytes arrive whole while the reader is slow', {
    events: (events) => ({ onChunk: (bytes) => events.onChunk(bytes.length > 1000 ? bytes.subarray(1) : bytes) }),
  }],
  ['text is sent as UTF-8', 'text is sent as one byte per character', {
    transport: (transport) => ({ write: (parts) => transport.write(parts.map((part) => Buffer.from(part))) }),
  }],
  ['what arrives is overwritten by what arrives next', 'input is seen without being consumed', {
    events: (events) => {
      const slab = Buffer.alloc(1 << 20)
      return { onChunk: (bytes) => events.onChunk(slab.subarray(0, bytes.copy(slab))) }
    },
  }],
  ['pause does nothing', 'a reader that does not read holds the writer back', { transport: () => ({ pause() {} }) }],
  ['the bytes that have left are counted as pending', 'megabytes arrive whole while the reader is slow', {
    transport(transport) {
      let written = 0
      return {
        get pending() {
          return written
        },
        write(parts) {
          for (const part of parts) written += part.length
          transport.write(parts)
        },
      }
    },
  }],
  ['progress is not reported', 'megabytes arrive whole while the reader is slow', { events: () => ({ onProgress() {} }) }],
  ['the end is not reported', 'each side ends its output by itself', { events: () => ({ onEnd() {} }) }],
  ['the end closes the connection', 'each side ends its output by itself', {
    transport: (transport) => ({ end: () => transport.destroy() }),
  }],
  ['a reset is an end', 'a reset is no end', { transport: (transport) => ({ destroy: () => transport.destroy() }) }],
  ['the loss of a connection is not reported', 'a reset is no end', { events: () => ({ onClose() {} }) }],
  ['closing is a reset', 'output put before closing arrives, and then the end', {
    transport: (transport) => ({ destroy: () => transport.destroy(true) }),
  }],
  ['timers fire early', 'a read deadline passes, and can be moved', { driver: (driver) => ({ heardUntil: () => driver.now() + 0.01 }) }],
  ['the port of a closed listener stays taken', 'a port in use, invalid ports, a port without a listener', { listener: () => ({ close() {} }) }],
  ['an abandoned connection is reported', 'cancelled while accepting, connecting or binding: nothing is left behind', {
    driver: (driver) => ({
      connect(options, done) {
        driver.connect(options, done)
        return () => {}
      },
    }),
  }],
  ['errors have no code', 'a port in use, invalid ports, a port without a listener', {
    driver: (driver) => ({ connect: (options, done) => driver.connect(options, (error, transport) => done(error && new Error('no'), transport)) }),
  }],
]

for (const [fault, name, members] of faults) {
  t.test(`${fault}: ${name}`, async (t) => {
    const setup: StreamSetup = { driver: () => faulty(members), pair: connectedPair, virtual: true }
    const test = [...streamTests(setup), ...networkTests(setup)].find((one) => one.name === name)
    await t.rejects(test?.run() ?? Promise.resolve())
  })
}

t.test('without a fault all pass', async (t) => {
  const setup: StreamSetup = { driver: () => faulty({}), pair: connectedPair, virtual: true }
  for (const { name, run } of [...streamTests(setup), ...networkTests(setup)]) await t.resolves(run(), name)
})
