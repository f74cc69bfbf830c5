import { systemTime } from '../../lev/index.js'
import { signalEchoSeconds } from '../config/fixed-limits.js'

/** Signals that ask a program to stop: Ctrl-C in a terminal, and the one that supervisors send. */
const names = ['SIGINT', 'SIGTERM'] as const

/**
 * Calls `stop` at the first signal; a second one ends the process immediately, as by default.
 * @returns a function that restores the default handling, unless a signal has arrived
 */
export function onStopSignals(stop: () => void): () => void {
  let since: number | null = null
  const forget = (): void => {
    for (const name of names) process.off(name, onSignal)
  }
  function onSignal(signal: NodeJS.Signals): void {
    if (since === null) {
      since = systemTime()
      return stop()
    }
    if (Math.abs(systemTime() - since) < signalEchoSeconds) return
    forget()
    // Another listener of the signal decides for itself.
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
  }
  for (const name of names) process.on(name, onSignal)
  // After a signal the listeners stay: an echo after the stop must not kill a program that is about to exit normally.
  return () => since === null && forget()
}
