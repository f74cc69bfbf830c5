import { systemTime } from '../../lev/index.js'

/** Signals that ask a program to stop: Ctrl-C in a terminal, and a supervisor's. */
const names = ['SIGINT', 'SIGTERM'] as const

/**
 * Seconds within which a signal that comes again is an echo of the first: a terminal sends Ctrl-C to npm and to the
 * program that npm runs, and npm passes its own on to the program.
 */
const echoSeconds = 0.5

/**
 * Calls `stop` at the first signal; a second one ends the process at once, as it would without us.
 * @returns a function that gives the signals back
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
    if (Math.abs(systemTime() - since) < echoSeconds) return
    forget()
    // Unless somebody else cares for it.
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
  }
  for (const name of names) process.on(name, onSignal)
  // An echo may come when all has stopped already: it must not kill a program that is about to end well.
  return () => since === null && forget()
}
