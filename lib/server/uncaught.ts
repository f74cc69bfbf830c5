import { instanceOf, isMainThread } from '../../lev/internal.js'
import { ownFrames } from '../log/error-text.js'

/** Errors to tell on one line if the program does not catch them, and the code it then ends with. */
const mistakes = new WeakMap<Error, number>()
let listens = false

/**
 * Ends the program with a one-line message, in place of Node's source line and stacks, if `error` is not caught; below it stands
 * the place in the program, if it has one. Does nothing in a program that handles uncaught exceptions itself, nor in a worker,
 * whose errors belong to its parent.
 * @param exitCode what the program ends with
 */
export function tellOnOneLine(error: Error, exitCode = 1): void {
  mistakes.set(error, exitCode)
  if (listens || !isMainThread) return
  listens = true
  process.on('uncaughtExceptionMonitor', onUncaught)
}

function onUncaught(error: unknown): void {
  const exitCode = instanceOf<Error>(error, Error) ? mistakes.get(error) : undefined
  if (!instanceOf<Error>(error, Error) || exitCode === undefined) return
  if (process.listenerCount('uncaughtException') > 0 || process.hasUncaughtExceptionCaptureCallback()) return
  const [place] = ownFrames(error.stack ?? '')
  console.error(place === undefined ? error.message : `${error.message}\n    ${place}`)
  process.exit(exitCode)
}
