import fc from 'fast-check'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'

/** What a coroutine does. `id` is a name that no other part of the program has. */
export type Program =
  | { readonly kind: 'sleep', readonly seconds: number }
  | { readonly kind: 'fail', readonly id: number }
  | { readonly kind: 'seq', readonly parts: readonly Program[] }
  | { readonly kind: 'catch', readonly id: number, readonly body: Program }
  | { readonly kind: 'finally', readonly id: number, readonly body: Program, readonly cleanup: Program }
  | { readonly kind: 'timeout', readonly seconds: number, readonly body: Program }
  | { readonly kind: 'shield', readonly body: Program }
  /** Each task begins with a sleep of its own; the first is the body of the scope, which may join the second some seconds after it is done. */
  | {
    readonly kind: 'scope'
    readonly delays: readonly number[]
    readonly tasks: readonly Program[]
    readonly joinsAfter: number | null
    /** Tasks in the background that join the second from the start. */
    readonly joiners: number
  }

/** Times of one program are distinct: each of its waits has a binary digit of its own behind the point. */
const digits = 40

/** A program without times and names. */
type Shape =
  | { readonly kind: 'sleep', readonly seconds: number }
  | { readonly kind: 'fail' }
  | { readonly kind: 'seq', readonly parts: readonly Shape[] }
  | { readonly kind: 'catch' | 'shield', readonly body: Shape }
  | { readonly kind: 'finally', readonly body: Shape, readonly cleanup: Shape }
  | { readonly kind: 'timeout', readonly seconds: number, readonly body: Shape }
  | { readonly kind: 'scope', readonly tasks: readonly Shape[], readonly joins: boolean, readonly joiners: number }

/** A whole test: a program, when it is cancelled, and what runs beside it in the same world, no longer than it. */
export interface Test {
  readonly program: Program
  readonly cancelAt: number
  readonly guests: readonly Program[]
}

/** @param longest whole seconds that a wait takes at most */
function shapes(longest: number, shields: boolean): fc.Arbitrary<Shape> {
  const seconds = fc.nat(longest)
  return fc.letrec<{ shape: Shape }>((tie) => ({
    shape: fc.oneof(
      { maxDepth: 5, depthSize: 'small', withCrossShrink: true },
      fc.record({ kind: fc.constant('sleep' as const), seconds }),
      fc.record({ kind: fc.constant('fail' as const) }),
      fc.record({ kind: fc.constant('seq' as const), parts: fc.array(tie('shape'), { minLength: 1, maxLength: 3 }) }),
      fc.record({ kind: fc.constant('catch' as const), body: tie('shape') }),
      fc.record({ kind: fc.constant('finally' as const), body: tie('shape'), cleanup: tie('shape') }),
      fc.record({ kind: fc.constant('finally' as const), body: tie('shape'), cleanup: tie('shape') }),
      fc.record({ kind: fc.constant('timeout' as const), seconds, body: tie('shape') }),
      fc.record({
        kind: fc.constant('scope' as const),
        tasks: fc.array(tie('shape'), { minLength: 1, maxLength: 3 }),
        joins: fc.boolean(),
        joiners: fc.nat(2),
      }),
      ...(shields ? [fc.record({ kind: fc.constant('shield' as const), body: tie('shape') })] : []),
    ),
  })).shape
}

/** Tests of programs; those with shields are over before any time for cleaning up is. */
export const tests: fc.Arbitrary<Test> = fc.boolean().chain((shields) => {
  const longest = shields ? 0 : 6
  return fc.record({
    program: shapes(longest, shields),
    cancelAt: fc.nat(3 * longest),
    guests: fc.array(shapes(longest, shields), { maxLength: 2 }),
  }).map(({ program, cancelAt, guests }) => {
    const give = new Names()
    return { program: give.program(program), cancelAt: give.time(cancelAt), guests: guests.map((guest) => give.program(guest)), names: give }
  }).filter(({ names }) => names.fit)
})

/** Gives out names, and times that are distinct. */
class Names {
  #times = 0
  #ids = 0

  get fit(): boolean {
    return this.#times <= digits
  }

  time(seconds: number): number {
    return seconds + 2 ** -(++this.#times)
  }

  program(shape: Shape): Program {
    switch (shape.kind) {
      case 'sleep': return { kind: 'sleep', seconds: this.time(shape.seconds) }
      case 'fail': return { kind: 'fail', id: this.#ids++ }
      case 'seq': return { kind: 'seq', parts: shape.parts.map((part) => this.program(part)) }
      case 'catch': return { kind: 'catch', id: this.#ids++, body: this.program(shape.body) }
      case 'finally': return { kind: 'finally', id: this.#ids++, body: this.program(shape.body), cleanup: this.program(shape.cleanup) }
      case 'timeout': return { kind: 'timeout', seconds: this.time(shape.seconds), body: this.program(shape.body) }
      case 'shield': return { kind: 'shield', body: this.program(shape.body) }
      case 'scope': return {
        kind: 'scope',
        delays: shape.tasks.map(() => this.time(0)),
        tasks: shape.tasks.map((task) => this.program(task)),
        joinsAfter: shape.joins && shape.tasks.length > 1 ? this.time(0) : null,
        joiners: shape.tasks.length > 1 ? shape.joiners : 0,
      }
    }
  }
}

/** Does what `program` says; `log` is told what happens in it. */
export function* perform(program: Program, log: (event: string) => void): Op<void> {
  switch (program.kind) {
    case 'sleep': return yield* lev.sleep(program.seconds)
    case 'fail': throw new Error(`e${program.id}`)
    case 'seq': {
      for (const part of program.parts) yield* perform(part, log)
      return
    }
    case 'catch': {
      try {
        yield* perform(program.body, log)
      } catch (error) {
        log(`${program.id} caught ${nameOf(error)}`)
      }
      return
    }
    case 'finally': {
      try {
        yield* perform(program.body, log)
        log(`${program.id} went on`)
      } finally {
        log(`${program.id} cleans up`)
        yield* perform(program.cleanup, log)
        log(`${program.id} is clean`)
      }
      return
    }
    case 'timeout': return yield* lev.timeout(program.seconds, perform(program.body, log))
    case 'shield': return yield* lev.shield(perform(program.body, log))
    case 'scope': return yield* lev.scope(function* (scope) {
      const [body, ...others] = program.tasks
      const [delay, ...delays] = program.delays
      const tasks = others.map((task, index) => scope.spawn(function* () {
        yield* lev.sleep(delays[index])
        yield* perform(task, log)
      }))
      for (let joiner = 0; joiner < program.joiners; joiner++) scope.background(() => tasks[0].join())
      yield* lev.sleep(delay)
      yield* perform(body, log)
      if (program.joinsAfter === null) return
      yield* lev.sleep(program.joinsAfter)
      yield* tasks[0].join()
    })
  }
}

/** An error in words: the same for the same error. */
export function nameOf(error: unknown): string {
  if (error instanceof AggregateError) return `[${error.errors.map(nameOf).sort().join(', ')}]`
  if (error instanceof lev.TimeoutError) {
    const seconds = /[\d.e-]+(?= s$)/.exec(error.message)?.[0] ?? '?'
    return error.cause === undefined ? `t${seconds}` : `t${seconds} of ${nameOf(error.cause)}`
  }
  if (error instanceof lev.CancelledError) return 'cancelled'
  return error instanceof Error ? error.message : String(error)
}
