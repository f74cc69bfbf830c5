import type { Program } from './programs.js'

// What programs do, worked out from the rules in the guide by arithmetic alone: no generators, no loop, no queue.

/** An error: what it is made of, if of several. */
export interface Fault {
  readonly name: string
  readonly parts: readonly Fault[]
}

interface LogEntry {
  readonly at: number
  readonly event: string
}

/** How a part of a program ends, and what happens in it till then. */
interface End {
  readonly at: number
  /** `unwound`: by the cancellation of its task; `faults` are then those of its `finally` blocks. */
  readonly kind: 'value' | 'thrown' | 'unwound'
  readonly faults: readonly Fault[]
  readonly log: readonly LogEntry[]
}

/** What surrounds a part of a program. */
interface Around {
  /** When its task is cancelled. */
  readonly cancelledAt: number
  /** When the time for cleaning up is over, once it is cancelled. */
  readonly cleanUntil: number
  /** Whether it is in a `finally` block that cleans up after a cancellation. */
  readonly cleaning: boolean
}

/** How a task ends. */
interface Outcome {
  readonly at: number
  readonly fault: Fault | null
  readonly cancelled: boolean
  /** Whether its fault is one of `finally` blocks. */
  readonly unwound: boolean
  readonly log: readonly LogEntry[]
}

const cleanupSeconds = 5

const theCancellation: Fault = { name: 'cancelled', parts: [] }

/** Each error counts once, and errors that came together count each. */
function together(faults: readonly Fault[]): Fault {
  const [first] = faults
  if (faults.every(({ name }) => name === first.name)) return first
  const each = new Map(faults.flatMap((fault) => (fault.parts.length > 0 ? fault.parts : [fault])).map((fault) => [fault.name, fault]))
  const parts = [...each.values()]
  return { name: `[${parts.map(({ name }) => name).sort().join(', ')}]`, parts }
}

/** How a task ends that does `program` from `start` on and is cancelled at `cancelledAt`. */
export function runTask(program: Program, start: number, cancelledAt: number, cleanUntil = cancelledAt + cleanupSeconds): Outcome {
  return outcomeOf(run(program, start, { cancelledAt, cleanUntil, cleaning: false }))
}

function outcomeOf({ at, kind, faults, log }: End): Outcome {
  const fault = faults.length > 0 ? together(faults) : null
  return { at, fault, cancelled: kind === 'unwound' && fault === null, unwound: kind === 'unwound', log }
}

function run(program: Program, start: number, around: Around): End {
  switch (program.kind) {
    case 'sleep': return sleep(start, start + program.seconds, around)
    case 'fail': return { at: start, kind: 'thrown', faults: [{ name: `e${program.id}`, parts: [] }], log: [] }
    case 'seq': return program.parts.reduce<End>((end, part) => after(end, (at) => run(part, at, around)), nothing(start))
    case 'catch': {
      const end = run(program.body, start, around)
      if (end.kind !== 'thrown') return end
      return { ...end, kind: 'value', faults: [], log: [...end.log, { at: end.at, event: `${program.id} caught ${together(end.faults).name}` }] }
    }
    case 'finally': return cleanedUp(program, run(program.body, start, around), around)
    case 'timeout': return timeout(program, start, around)
    case 'shield': return given(runTask(program.body, start, Infinity), around)
    case 'scope': return scope(program, start, around)
  }
}

function nothing(at: number): End {
  return { at, kind: 'value', faults: [], log: [] }
}

function after(end: End, next: (at: number) => End): End {
  if (end.kind !== 'value') return end
  const then = next(end.at)
  return { ...then, log: [...end.log, ...then.log] }
}

function sleep(start: number, until: number, { cancelledAt, cleanUntil, cleaning }: Around): End {
  const limit = Math.max(start, cleaning ? cleanUntil : cancelledAt)
  if (until < limit) return nothing(until)
  if (!cleaning) return { ...nothing(limit), kind: 'unwound' }
  return { ...nothing(limit), kind: 'thrown', faults: [theCancellation] }
}

function cleanedUp(program: Program & { kind: 'finally' }, body: End, around: Around): End {
  const { id, cleanup } = program
  const unwound = body.kind === 'unwound'
  const begun = { at: body.at, event: `${id} cleans up` }
  const end = run(cleanup, body.at, unwound ? { ...around, cleaning: true } : around)
  const log = [
    ...body.log,
    ...(body.kind === 'value' ? [{ at: body.at, event: `${id} went on` }] : []),
    begun,
    ...end.log,
    ...(end.kind === 'value' ? [{ at: end.at, event: `${id} is clean` }] : []),
  ]
  if (unwound) return { at: end.at, kind: 'unwound', faults: [...body.faults, ...end.faults.filter((fault) => fault !== theCancellation)], log }
  // JavaScript's own rule: what ends the cleanup early takes the place of what went before.
  return end.kind === 'value' ? { ...body, at: end.at, log } : { ...end, log }
}

/** When the tasks that are waited for at `start` are cancelled, and until when they may clean up. */
function limits({ cancelledAt, cleanUntil, cleaning }: Around): { cancelledAt: number, cleanUntil: number } {
  return { cancelledAt: cleaning ? cleanUntil : cancelledAt, cleanUntil }
}

function isDue({ cancelledAt, cleaning }: Around, at: number): boolean {
  return !cleaning && cancelledAt <= at
}

/** What a task gives to the one that has waited for it. */
function given({ at, fault, cancelled, unwound, log }: Outcome, around: Around): End {
  const due = isDue(around, at)
  if (fault !== null) return { at, kind: due && unwound ? 'unwound' : 'thrown', faults: [fault], log }
  if (!cancelled) return { ...nothing(at), log }
  return { at, kind: due ? 'unwound' : 'thrown', faults: due ? [] : [theCancellation], log }
}

function timeout({ seconds, body }: Program & { kind: 'timeout' }, start: number, around: Around): End {
  const limit = limits(around)
  const until = start + seconds
  const first = until < limit.cancelledAt
  const cleanUntil = first ? Math.min(until + cleanupSeconds, limit.cleanUntil) : limit.cleanUntil
  const outcome = runTask(body, start, Math.min(until, limit.cancelledAt), cleanUntil)
  if (!first || until > outcome.at) return given(outcome, around)
  if (outcome.fault === null && !outcome.cancelled) return given(outcome, around)
  const name = outcome.fault === null ? `t${seconds}` : `t${seconds} of ${outcome.fault.name}`
  return { at: outcome.at, kind: isDue(around, outcome.at) ? 'unwound' : 'thrown', faults: [{ name, parts: [] }], log: outcome.log }
}

function scope(program: Program & { kind: 'scope' }, start: number, around: Around): End {
  const limit = limits(around)
  // Its body is cancelled before it begins.
  if (limit.cancelledAt <= start) return given({ at: start, fault: null, cancelled: true, unwound: true, log: [] }, around)
  let all = runTasks(program, start, limit.cancelledAt, limit.cleanUntil)
  const failedAt = Math.min(...all.filter(({ fault }) => fault !== null).map(({ at }) => at))
  if (failedAt < limit.cancelledAt) {
    // Its failure cancels the rest. Who was over by then, or has failed so, is what it was.
    const cleanUntil = Math.min(failedAt + cleanupSeconds, limit.cleanUntil)
    const again = runTasks(program, start, failedAt, cleanUntil)
    all = all.map((task, index) => (task.at <= failedAt ? task : again[index]))
  }
  const at = Math.max(...all.map((task) => task.at))
  const log = all.flatMap((task) => task.log)
  const faults = all.flatMap(({ fault }) => (fault === null ? [] : [fault]))
  if (faults.length === 0) return given({ ...all[0], at, log }, around)
  const past = failedAt < limit.cancelledAt || all.some(({ fault, unwound }) => fault !== null && unwound)
  return { at, kind: isDue(around, at) && past ? 'unwound' : 'thrown', faults: [together(faults)], log }
}

/**
 * The tasks of a scope. The fault of one that is joined when it fails is no longer its own; those that join it in the background
 * fail with it at once, so that it is as if there were no joiner.
 */
function runTasks(program: Program & { kind: 'scope' }, start: number, cancelledAt: number, cleanUntil: number): Outcome[] {
  const { delays, tasks, joinsAfter, joiners } = program
  const around = { cancelledAt, cleanUntil, cleaning: false }
  const [body, ...others] = tasks.map((task, index) =>
    after(sleep(start, start + delays[index], around), (at) => run(task, at, around)))
  const outcomes = others.map(outcomeOf)
  if (joinsAfter === null) return [outcomeOf(body), ...outcomes]
  const [joined, ...rest] = outcomes
  const joining = after(body, (at) => sleep(at, at + joinsAfter, around))
  const main = after(joining, (at) => {
    const end = Math.max(at, joined.at)
    if (cancelledAt <= end) return { ...nothing(cancelledAt), kind: 'unwound' }
    return joined.fault === null ? nothing(end) : { ...nothing(end), kind: 'thrown', faults: [joined.fault] }
  })
  const isTaken = joiners === 0 && joining.kind === 'value' && joining.at <= joined.at && joined.at < cancelledAt
  return [outcomeOf(main), isTaken ? { ...joined, fault: null } : joined, ...rest]
}
