import { constants } from 'node:os'
import { now, portal, systemTime } from '../../lev/index.js'
import { callAt } from '../../lev/internal.js'
import { restartSeconds, signalEchoSeconds } from '../config/fixed-limits.js'

/** Signals that ask a program to stop: Ctrl-C in a terminal, and the one that supervisors send. */
const names = ['SIGINT', 'SIGTERM'] as const

/**
 * Whether `node --watch` runs this program, and restarts it once it has ended after a signal: Node sets the variable, and connects
 * the program to itself. A program started by a watched one inherits the variable alone.
 */
function isWatched(): boolean {
  return process.connected && process.env.WATCH_REPORT_DEPENDENCIES !== undefined
}

/**
 * Calls `stop` at the first signal; a second one ends the process immediately, as by default. Under `node --watch` a process that is
 * still there `restartSeconds` after the first one exits.
 * @param stop is told whether the program is to restart: then nobody waits for what it has begun
 * @param end called before a second signal ends the process
 * @returns a function that restores the default handling, unless a signal has arrived
 */
export function onStopSignals(stop: (restarts: boolean) => void, end: (signal: NodeJS.Signals) => void = () => {}): () => void {
  let since: number | null = null
  const forget = (): void => {
    for (const name of names) process.off(name, onSignal)
  }
  function onSignal(signal: NodeJS.Signals): void {
    if (since === null) {
      since = systemTime()
      const restarts = isWatched()
      if (restarts) exitSoon()
      return stop(restarts)
    }
    if (Math.abs(systemTime() - since) >= signalEchoSeconds) endBy(signal)
  }
  function endBy(signal: NodeJS.Signals): void {
    end(signal)
    forget()
    // As process 1 of a container no signal ends it, not even one from itself. Libraries that listen, too, would rely on that.
    if (process.pid === 1) process.exit(128 + constants.signals[signal])
    // Another listener of the signal decides for itself.
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
  }
  for (const name of names) process.on(name, onSignal)
  // After a signal the listeners stay: an echo after the stop must not kill a program that is about to exit normally.
  return () => since === null && forget()
}

/** Exits even if other code listens for the signal and leaves the process to us, as signal-exit does, which many libraries bring. */
export function exitSoon(): void {
  void portal().run(function* () {
    callAt(now() + restartSeconds, () => process.exit(), false)
  })
}
