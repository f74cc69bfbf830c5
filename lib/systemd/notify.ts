import { execFile } from 'node:child_process'
import { show } from '../config/validators.js'
import { ArgumentError } from '../errors.js'
import { manager } from './manager.js'

/** Node.js has no datagram sockets of the Unix family, so this program sends the messages. */
const program = 'systemd-notify'

/** Maximum time that sending one message may take, in milliseconds. */
const sendTimeout = 10_000

/** The last message that was given to the program. */
let last: Promise<void> = Promise.resolve()
let isWarned = false

/**
 * Tells systemd about this service, in one message: `notify({ STATUS: 'importing' })`. Messages are sent in order. Does nothing unless
 * systemd wants to be told (NOTIFY_SOCKET). If it cannot be told, the first time is printed to stderr, and the service goes on.
 *
 * @param state variables of sd_notify(3)
 * @returns a promise that resolves when the message was sent, or could not be
 * @throws ArgumentError for what is no object of variables, and for a name or a value that would be another message
 */
export function notify(state: Readonly<Record<string, string | number>>): Promise<void> {
  const assignments = assignmentsOf(state)
  const to = manager()
  if (to === null) return Promise.resolve()
  return last = last.then(() => send(to.socket, assignments)).catch((reason: unknown) => warn(assignments, reason))
}

/** Resolves when every message so far was sent, or could not be. */
export function allSent(): Promise<void> {
  return last
}

function assignmentsOf(state: Readonly<Record<string, string | number>>): readonly string[] {
  const given: unknown = state
  const entries = typeof given === 'object' ? Object.entries(given ?? {}) : []
  if (entries.length === 0) throw new ArgumentError('state', `state must be an object with variables such as { STATUS: 'importing' }, got ${show(state)}`)
  return entries.map(([name, value]: [string, unknown]) => {
    if (!/^[A-Z][A-Z0-9_]*$/.test(name)) throw new ArgumentError(name, `${show(name)} is not the name of a variable such as STATUS`)
    const isValue = typeof value === 'string' ? !/[\n\0]/.test(value) : Number.isFinite(value)
    if (!isValue) throw new ArgumentError(name, `${name} must be a number, or text of one line; got ${show(value)}`)
    return `${name}=${String(value)}`
  })
}

function send(socket: string, assignments: readonly string[]): Promise<void> {
  const options = { env: { ...process.env, NOTIFY_SOCKET: socket }, timeout: sendTimeout }
  return new Promise((resolve, reject) => {
    execFile(program, assignments, options, (error, _stdout, stderr) => {
      if (error === null) resolve()
      else reject(new Error(stderr.trim() === '' ? error.message : stderr.trim()))
    })
  })
}

function warn(assignments: readonly string[], reason: unknown): void {
  const text = reason instanceof Error ? reason.message : String(reason)
  if (!isWarned) console.error(`leveret: systemd could not be told ${assignments.join(' ')}: ${text}; more failures are not reported`)
  isWarned = true
}
