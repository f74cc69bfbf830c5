/// <reference types="node" preserve="true" />
export { memory, type MemoryOptions } from './drivers/memory.js'
export { systemTime } from './drivers/node.js'
export type { Address, ClientSecurity, ConnectOptions, Driver, ListenOptions, SecureFacts, Security } from './drivers/driver.js'
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
} from './errors.js'
export { connect, listen, pipe, type Listener } from './network.js'
export { suspend, wait, waitForWork, type Disarm, type Op, type Suspension, type Waker } from './op.js'
export { portal, run, type Portal, type RunOptions } from './run.js'
export { background, scope, spawn, within, type Scope } from './scope.js'
export { Stream } from './stream.js'
export { channel, event, semaphore, type Channel, type Event, type Semaphore } from './sync.js'
export { inCoroutine, outside, type Outcome, type Task } from './task.js'
export { breathe, now, shield, sleep, timeout, wallClock } from './time.js'
