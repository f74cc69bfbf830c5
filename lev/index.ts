/// <reference types="node" preserve="true" />
export { memory, type MemoryOptions } from './drivers/memory/memory.js'
export { systemTime } from './drivers/node/node.js'
export type {
  Address, ClientSecurity, Completion, ConnectOptions, DrivenLoop, Driver, ListenerTransport, ListenOptions, SecureFacts, Security, Transport,
  TransportEvents,
} from './drivers/driver.js'
export {
  AddressError,
  CancelledError,
  ClosedError,
  DeadlockError,
  HandshakeError,
  LevError,
  TimeoutError,
  UsageError,
  type CancelReason,
} from './core/errors.js'
export type { Awaitable } from './core/operation.js'
export { within } from './core/child.js'
export type { Hook } from './io/hook.js'
export { connect, listen, pipe, type Listener } from './io/network.js'
export { suspend, wait, waitForThreadPool, type Disarm, type Op, type Suspension, type Waker } from './core/op.js'
export { portal, run, type Portal, type RunOptions } from './core/run.js'
export { background, scope, spawn, type Scope } from './core/scope.js'
export { Stream } from './io/stream.js'
export { channel, event, semaphore, type Channel, type Event, type Semaphore } from './core/sync.js'
export { inCoroutine, runOutsideTask, type Outcome, type Task } from './core/task.js'
export { now, shield, sleep, timeout, wallClock, yieldNow } from './core/time.js'

// Names of 0.1.0; they go with the next version.
export {
  /** @deprecated Use `yieldNow`. */
  yieldNow as breathe,
} from './core/time.js'
export {
  /** @deprecated Use `waitForThreadPool`. */
  waitForThreadPool as waitForWork,
} from './core/op.js'
export {
  /** @deprecated Use `runOutsideTask`. */
  runOutsideTask as outside,
} from './core/task.js'
