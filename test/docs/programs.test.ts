import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import ts from 'typescript'
import { built, Program, shell } from '../examples/program.js'
import { blocksOf, pages, root, says, type Block } from './blocks.js'
import { compile } from './compile.js'

const all = pages().map((file) => ({ file, blocks: blocksOf(file) }))
const { programs, problems } = compile(all.flatMap(({ blocks }) => blocks.filter(isProgram)))

function isProgram({ language, words }: Block): boolean {
  return language === 'ts' && !words.includes('declaration') && sourceOf(words) === undefined
}

/** The file that a block is a part of. */
function sourceOf(words: readonly string[]): string | undefined {
  return wordOf(words, 'from')
}

/** The value of `name=value`. */
function wordOf(words: readonly string[], name: string): string | undefined {
  return words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1)
}

/** Runs the blocks of one page, top to bottom. */
class Page {
  readonly #t: Test
  readonly #cwd: string
  #program: Program | null = null
  /** What the last block printed. */
  #printed = ''

  constructor(t: Test) {
    this.#t = t
    this.#cwd = t.testdir()
  }

  async run(block: Block): Promise<void> {
    const { language, words } = block
    const named = wordOf(words, 'file')
    if (language === 'ts' && words.includes('serves')) return await this.#serve(programs.get(block) ?? '', block)
    if (language === 'ts') return await this.#runToEnd(block)
    if (language === 'js' && named !== undefined) return writeFileSync(join(this.#cwd, named), block.text)
    if (language === 'sh') return await this.#runShell(block)
    if (language === 'text') return await this.#compare(block)
    this.#t.fail(`${where(block)}: no test for a block of ${language || 'nothing'}`)
  }

  /** Ends the program that serves, as Ctrl-C does. */
  async stop(): Promise<void> {
    const program = this.#program
    if (program === null) return
    this.#program = null
    this.#t.same(await program.stop(), { code: 0, signal: null }, 'the program ends well', { output: program.output })
  }

  async #serve(file: string, block: Block): Promise<void> {
    await this.stop()
    const program = new Program(file, { cwd: this.#cwd })
    this.#program = program
    this.#t.teardown(() => program.kill())
    this.#t.ok(await program.anyPort(), `${where(block)}: it serves`)
  }

  async #runToEnd(block: Block): Promise<void> {
    const program = new Program(programs.get(block) ?? '', { cwd: this.#cwd })
    this.#t.teardown(() => program.kill())
    this.#t.same(await program.ended, { code: 0, signal: null }, where(block), { output: program.output })
    this.#printed = program.output
  }

  async #runShell(block: Block): Promise<void> {
    if (block.words.includes('demo')) await this.#serve(built('examples/demo/main.js'), block)
    const script = (await this.#program?.withPorts(block.text)) ?? block.text
    const { code, stdout, stderr } = await shell(script, block.words.includes('root') ? root : this.#cwd)
    const expected = wordOf(block.words, 'exit') ?? '0'
    this.#t.equal(String(code), expected, where(block), { stdout, stderr })
    this.#printed = stdout
  }

  async #compare(block: Block): Promise<void> {
    if (block.words.includes('program')) {
      const program = this.#program
      this.#t.ok(await program?.shows((output) => says(block.text, output)), where(block))
      return
    }
    this.#t.ok(says(block.text, this.#printed), where(block), { expected: block.text, actual: this.#printed })
  }
}

function where({ file, line }: Block): string {
  return `${file}:${line}`
}

/** Whether a block shows what is written in another framework. */
function isForeign({ language, words }: Block): boolean {
  return language === 'js' && words.length === 1 && ['express', 'fastify', 'hono'].includes(words[0])
}

/** What test/docs/production.test.ts runs: configurations of other programs, and the service behind them. */
function isOfProduction({ language, words }: Block): boolean {
  return ['nginx', 'haproxy', 'systemd'].includes(language) || words.includes('production')
}

function runs(block: Block): boolean {
  const { words } = block
  return !isForeign(block) && !isOfProduction(block) && !words.includes('norun') && !words.includes('declaration') && sourceOf(words) === undefined
}

t.jobs = 3

t.test('all programs compile against the package', async (t) => {
  t.strictSame(problems, [])
})

t.test('programs of other frameworks have the right syntax', async (t) => {
  const foreign = all.flatMap(({ blocks }) => blocks).filter(isForeign)
  t.ok(foreign.length > 0)
  for (const block of foreign) {
    const options = { reportDiagnostics: true, compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext } }
    t.strictSame(ts.transpileModule(block.text, options).diagnostics?.map(({ messageText }) => messageText), [], where(block))
  }
})

t.test('few blocks are not run', async (t) => {
  const skipped = all.flatMap(({ blocks }) => blocks).filter(({ words }) => words.includes('norun'))
  t.strictSame(skipped.map(({ file, text }) => `${file}: ${text}`), [
    'README.md: npm ci && npm start\n',
    'README.md: npm ci && npm test\n',
    'CONTRIBUTING.md: npm ci\nnpm run build\nnpm run lint\nnpm run typecheck\n',
    'CONTRIBUTING.md: npm test\nnpm test -- test/lib/server/timeouts.test.ts\nnpm test -- test/lev test/house.test.ts --bail\n',
    'CONTRIBUTING.md: npm run test:nodes\nnpm run test:nodes -- test/lib/server/timeouts.test.ts\n',
    'CONTRIBUTING.md: npm run bench -- --quick --peers leveret,node-http --only bare,headers --out before\n' +
      'npm run bench -- --quick --peers leveret,node-http --only bare,headers --out after\n',
    'docs/contributing/drivers.md: npm test -- test/lev/io/streams.test.ts test/lev/io/network.test.ts test/lev/io/streams-random.test.ts\n',
    'docs/guide/development.md: node --watch hello.mjs\n',
    'docs/guide/first-program.md: npm ci && npm run build\n',
    'docs/guide/first-program.md: npm install ../leveret\n',
  ])
})

t.test('what a page shows of a file stands there', async (t) => {
  for (const block of all.flatMap(({ blocks }) => blocks)) {
    const source = sourceOf(block.words)
    if (source !== undefined) t.ok(readFileSync(join(root, source), 'utf8').includes(block.text), `${where(block)}: ${source}`)
  }
})

t.test('commands that are not run name scripts and tests that are there', async (t) => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
  for (const block of all.flatMap(({ blocks }) => blocks).filter(({ words }) => words.includes('norun'))) {
    for (const [, name = ''] of block.text.matchAll(/npm run (\S+)/g)) t.ok(name in scripts, `${where(block)}: ${name}`)
    for (const [path] of block.text.matchAll(/\btest\/\S+/g)) t.ok(existsSync(join(root, path)), `${where(block)}: ${path}`)
  }
})

for (const { file, blocks } of all) {
  const runnable = blocks.filter(runs)
  if (runnable.length === 0) continue
  t.test(file, { buffered: true }, async (t) => {
    const page = new Page(t)
    for (const block of runnable) await page.run(block)
    await page.stop()
  })
}
