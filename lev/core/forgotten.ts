// In development (NODE_ENV=development), stderr names each operation that was made and never run: there, a `yield*` was forgotten.

type Operation = Generator<unknown, unknown, unknown>
type Maker = (...args: never[]) => Operation

/** Stands for an operation that nothing has run yet, without keeping it alive: one that is collected was forgotten. */
class Unrun {
  /** Its stack begins where `maker` was called. */
  readonly #made = new Error('an operation was made and never run: was a yield* forgotten?')

  constructor(maker: Maker) {
    Error.captureStackTrace(this.#made, maker)
  }

  report(): void {
    if (unrun.delete(this)) console.error('lev:', this.#made.stack)
  }
}

const watching = process.env.NODE_ENV === 'development'
/** All that are not reported yet. */
const unrun = new Set<Unrun>()
const watched = new WeakMap<Operation, Unrun>()
const collected = new FinalizationRegistry<Unrun>((one) => one.report())
const entries = ['next', 'return', 'throw'] as const

if (watching) {
  process.once('exit', () => {
    for (const one of [...unrun]) one.report()
  })
}

/**
 * Returns `op`, an operation that the caller's own caller is to run. In development it is reported if nothing runs it.
 * @param inner an operation that `op` runs: of the two, only `op` can still be forgotten
 */
export function made<T extends Operation>(op: T, inner?: unknown): T {
  if (watching) {
    claim(inner)
    watch(op, made)
  }
  return op
}

/** Takes charge of `op`: it is not reported any more, even if it never runs, as in a task that is cancelled first. */
export function claim(op: unknown): void {
  if (watching) unwatch(op as Operation)
}

/** In development, makes the methods `names` of `object` report their operations as `made` does. Returns `object`. */
export function watchMethods<T extends object>(object: T, ...names: readonly (keyof T & string)[]): T {
  if (!watching) return object
  for (const name of names) {
    const method = object[name] as (...args: unknown[]) => Operation
    const value = function (this: unknown, ...args: unknown[]): Operation {
      const op = method.apply(this, args)
      watch(op, value)
      return op
    }
    Object.defineProperty(object, name, { value, configurable: true, writable: true })
  }
  return object
}

/** Puts methods on `op` itself that note its first use and then go away. */
function watch(op: Operation, maker: Maker): void {
  // A watched method may return what another one has made.
  if (watched.has(op)) return
  const one = new Unrun(maker)
  unrun.add(one)
  watched.set(op, one)
  collected.register(op, one, one)
  for (const entry of entries) {
    const value = (given?: unknown): unknown => {
      unwatch(op)
      return op[entry](given as never)
    }
    Object.defineProperty(op, entry, { value, configurable: true })
  }
}

function unwatch(op: Operation): void {
  const one = watched.get(op)
  if (one === undefined) return
  watched.delete(op)
  unrun.delete(one)
  collected.unregister(one)
  for (const entry of entries) Reflect.deleteProperty(op, entry)
}
