// What the rule of leveret/eslint reports in programs, by the lines that say so.
import { join } from 'node:path'
import { ESLint } from 'eslint'
import t from 'tap'
import tseslint from 'typescript-eslint'
import leveret from 'leveret/eslint'

const program = `
import * as lev from 'leveret/lev'

declare const maybe: lev.Op<void> | null
declare const either: lev.Op<string> | string
const seats = lev.semaphore(1)
const orders = lev.channel<number>()
function* mine() { yield* lev.sleep(1); return 'x' }
function* letters(): Generator<string, void, unknown> { yield 'a' }
const box = { op: mine() }
declare const lazy: () => lev.Awaitable<string>
declare const begun: () => lev.Op<string> & Promise<string>

export function* statements() {
  lev.sleep(1) // forgotten
  orders.send(1) // forgotten
  mine() // forgotten
  box.op // forgotten
  box?.op // forgotten
  void (0, lev.sleep(1))
  0, lev.sleep(1) // forgotten
  either // a string, perhaps
  maybe // forgotten
  const kept = lev.sleep(1)
  let later = mine()
  later = mine()
  yield* later
  yield* kept
  letters()
  lev.spawn(mine)
  lev.run(mine)
  box.op && mine() // forgotten forgotten
  maybe && mine() // forgotten
  maybe ?? mine() // forgotten
  Math.random() > 0.5 ? mine() : lev.sleep(1) // forgotten forgotten
  lev.sleep(1) satisfies lev.Op<void> // forgotten
  lev.sleep(1) as lev.Op<void> // forgotten
}

export function* awaitable() {
  lazy() // forgotten
  begun()
  yield* lazy()
  if (Math.random() > 0.5) return yield* lazy()
  return lazy() // forgotten
}

export function* conditions() {
  if (seats.with(mine())) return // forgotten
  while (orders.receive()) return // forgotten
  do { yield* mine() } while (orders.receive()) // forgotten
  for (; orders.receive(); ) return // forgotten
  if (!orders.receive()) return // forgotten
  if (yield* orders.receive()) return
  if (maybe === null) return
  const text = either || 'none'
  const told = \`\${mine()}\` // forgotten
  const found = mine() ? text : told // forgotten
  return \`\${yield* mine()} \${found}\`
}

export function* returned(): Generator<unknown, unknown, unknown> {
  const wrapped = () => mine()
  const plain = function () { return mine() }
  yield* wrapped()
  yield* plain()
  if (maybe) return yield* mine()
  if (either) return either
  yield mine() // forgotten
  return mine() // forgotten
}

export async function awaited() {
  await lev.run(function* () {
    return lev.sleep(1) // forgotten
  })
  await mine() // forgotten
  await lev.sleep(1)
  lev.sleep(1) // forgotten
  await orders.receive()
  orders.receive() // forgotten
  await lazy()
  await begun()
  lazy() // forgotten
  await lev.run(() => lev.sleep(1))
  return mine()
}
`

const tsconfig = JSON.stringify({
  compilerOptions: { target: 'ES2023', module: 'NodeNext', strict: true, types: ['node'] },
  include: ['*.ts'],
})

t.test('an operation that nothing runs is reported, and no other', async (t) => {
  const forgotten = program.split('\n').flatMap((line, index) => [...line.matchAll(/ forgotten/g)].map(() => index + 1))
  const messages = await lint(t.testdir({ 'program.ts': program, 'tsconfig.json': tsconfig }), true)
  t.strictSame(messages.map(({ line }) => line), forgotten)
  t.strictSame(new Set(messages.map(({ ruleId }) => ruleId)), new Set(['leveret/no-forgotten-yield']))
  t.match(messages[0].message, /write `yield\*`/)
  const line = program.split('\n').findIndex((text) => text.includes('await mine()')) + 1
  t.match(messages.find((one) => one.line === line)?.message, /cannot be awaited/)
})

t.test('without types the rule says what it needs', async (t) => {
  await t.rejects(lint(t.testdir({ 'program.ts': 'f()\n', 'tsconfig.json': tsconfig }), false), /projectService/)
})

t.test('the rule of typescript-eslint for promises finds them too', async (t) => {
  const source = `
import * as lev from 'leveret/lev'
import * as server from 'leveret'

export async function handle(ctx: server.Context, ws: server.WebSocket) {
  lev.sleep(1) // floating
  await lev.sleep(1)
  ctx.body.json() // floating
  const value = await ctx.body.json()
  ws.send('text') // floating
  server.request('http://127.0.0.1/') // floating
  const task = lev.spawn(() => lev.sleep(1))
  task.join() // floating
  const { status } = await lev.timeout(9, server.request('http://127.0.0.1/'))
  return [status satisfies number, value, await task.join() satisfies undefined | void]
}
`
  const expected = source.split('\n').flatMap((line, index) => (line.includes('// floating') ? [index + 1] : []))
  const folder = t.testdir({ 'program.ts': source, 'tsconfig.json': tsconfig })
  const rules = { plugins: { '@typescript-eslint': tseslint.plugin }, rules: { '@typescript-eslint/no-floating-promises': 'error' } }
  t.strictSame((await lint(folder, true, rules)).map(({ line }) => line), expected)
})

async function lint(folder: string, projectService: boolean, rules: object = leveret.configs.recommended): Promise<{ line: number; ruleId: string | null; message: string }[]> {
  const eslint = new ESLint({
    cwd: folder,
    overrideConfigFile: true,
    overrideConfig: [
      { files: ['**/*.ts'], languageOptions: { parser: tseslint.parser, parserOptions: { projectService, tsconfigRootDir: folder } } },
      rules,
    ] as ESLint.Options['overrideConfig'],
  })
  const [{ messages }] = await eslint.lintFiles([join(folder, 'program.ts')])
  return messages
}
