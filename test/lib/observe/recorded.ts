import { observe, type Events } from '../../../lib/observe/index.js'

/** The events of a test, each as the object that was published and as a line that says what it was then. */
export interface Seen {
  readonly all: readonly { readonly name: keyof Events; readonly event: object }[]
  /** The lines; what comes after `...` in an expected one is left out of that one. */
  lines(expected?: readonly string[]): string[]
}

/** What a line says of each event. */
const shown: { [Name in keyof Events]: (event: Events[Name]) => string } = {
  'leveret:connection:open': () => 'open',
  'leveret:connection:close': () => 'close',
  'leveret:handshake:fail': () => 'handshake failed',
  'leveret:request:start': ({ method, path }) => `start ${method} ${path}`,
  'leveret:request:end': ({ method, path, outcome, status, bytesOut, reason }) =>
    `end ${method} ${path}: ${outcome} ${status} ${bytesOut}${reason === null ? '' : ` (${reason})`}`,
  'leveret:reject': ({ status, reason }) => `reject ${status} ${reason}`,
  'leveret:websocket:open': ({ path }) => `ws open ${path}`,
  'leveret:websocket:message': ({ direction, type, bytes }) => `ws ${direction} ${type} ${bytes}`,
  'leveret:websocket:close': ({ code, reason }) => `ws close ${code} ${reason}`,
}

/** Observes everything until the test is over. */
export function record(t: { teardown(call: () => void): void }): Seen {
  const all: { name: keyof Events; event: object }[] = []
  const lines: string[] = []
  const watch = <Name extends keyof Events>(name: Name): void => {
    t.teardown(observe(name, (event) => {
      all.push({ name, event })
      lines.push(shown[name](event))
    }))
  }
  for (const name of Object.keys(shown) as (keyof Events)[]) watch(name)
  return {
    all,
    lines: (expected = []) => lines.map((line, at) => {
      const start = expected[at]?.split('...')[0] ?? line
      return expected[at]?.includes('...') === true && line.startsWith(start) ? expected[at] : line
    }),
  }
}
