import * as lev from '../../lev/index.js'

/** Seconds to wait for an error to reach `uncaughtException`; after that it was caught. */
const window = 0.1

/**
 * Ends the program with a one-line message, in place of Node's source line and stacks, if `error` is not caught. Does nothing
 * in a program that listens for uncaught exceptions itself.
 */
export function tellOnOneLine(error: Error): void {
  if (process.listenerCount('uncaughtException') > 0) return
  const onUncaught = (uncaught: unknown): void => {
    process.off('uncaughtException', onUncaught)
    // Rethrowing it here ends the program as by default.
    if (uncaught !== error) throw uncaught
    console.error(error.message)
    process.exit(1)
  }
  process.on('uncaughtException', onUncaught)
  void lev.run(() => lev.sleep(window)).finally(() => process.off('uncaughtException', onUncaught))
}
