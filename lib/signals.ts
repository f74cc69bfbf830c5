/** Signals that ask a program to stop: Ctrl-C in a terminal, and a supervisor's. */
const names = ['SIGINT', 'SIGTERM'] as const

/**
 * Calls `stop` at the first signal; a second one ends the process at once, as it would without us.
 * @returns a function that gives the signals back
 */
export function onStopSignals(stop: () => void): () => void {
  const forget = (): void => {
    for (const name of names) process.off(name, onSignal)
  }
  function onSignal(): void {
    forget()
    stop()
  }
  for (const name of names) process.on(name, onSignal)
  return forget
}
