import * as lev from '../../lev/index.js'

/** Seconds after an error came up within which a program that does not catch it has ended. */
const window = 0.1

/**
 * Ends the program with one line, in place of Node's source line and stacks, if `error` is not caught. A program that
 * listens for uncaught exceptions itself is left alone.
 */
export function tellOnOneLine(error: Error): void {
  if (process.listenerCount('uncaughtException') > 0) return
  const onUncaught = (uncaught: unknown): void => {
    process.off('uncaughtException', onUncaught)
    // Thrown from here it ends the program as it would have without us.
    if (uncaught !== error) throw uncaught
    console.error(error.message)
    process.exit(1)
  }
  process.on('uncaughtException', onUncaught)
  void lev.run(() => lev.sleep(window)).finally(() => process.off('uncaughtException', onUncaught))
}
