// In development (NODE_ENV=development), operations that are made and never run are told of: a `yield*` was forgotten.

type Operation = Generator<unknown, unknown, unknown>
type Maker = (...args: never[]) => Operation

/** Of an operation that nothing has run so far. It holds the operation by nothing, so that this can be collected. */
class Unrun {
  /** Where it was made: its stack begins with who called `maker`. */
  readonly #made = new Error('an operation was made and never run: was a yield* forgotten?')

  constructor(maker: Maker) {
    Error.captureStackTrace(this.#made, maker)
  }

  tell(): void {
    if (unrun.delete(this)) console.error('lev:', this.#made.stack)
  }
}

const watching = process.env.NODE_ENV === 'development'
const unrun = new Set<Unrun>()
const collected = new FinalizationRegistry<Unrun>((one) => one.tell())
const entries = ['next', 'return', 'throw'] as const

if (watching) {
  process.once('exit', () => {
    for (const one of [...unrun]) one.tell()
  })
}

/** Gives `op`. In development it is told of unless something runs it, or it is given to `taken`. */
export function made<T extends Operation>(op: T): T {
  if (watching) watch(op, made)
  return op
}

/** Somebody has this operation, and runs it, or has a reason not to. */
export function taken(op: unknown): void {
  if (watching) forget(op as Operation)
}

/** In development, tells of what the methods `names` of `object` make, as `made` does. Gives `object`. */
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

const watched = new WeakMap<Operation, Unrun>()

function watch(op: Operation, maker: Maker): void {
  // A function may give what another one has made.
  if (watched.has(op)) return
  const one = new Unrun(maker)
  unrun.add(one)
  watched.set(op, one)
  collected.register(op, one, one)
  for (const entry of entries) {
    const value = (given?: unknown): unknown => {
      forget(op)
      return op[entry](given as never)
    }
    Object.defineProperty(op, entry, { value, configurable: true })
  }
}

function forget(op: Operation): void {
  const one = watched.get(op)
  if (one === undefined) return
  watched.delete(op)
  unrun.delete(one)
  collected.unregister(one)
  for (const entry of entries) Reflect.deleteProperty(op, entry)
}
