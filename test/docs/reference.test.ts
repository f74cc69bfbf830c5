import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import ts from 'typescript'
import { blocksOf, pages, readPage, root } from './blocks.js'
import { declarationsIn, exportsOf, type Declaration } from './declarations.js'

/** Names in headings: ### `name`, or ### `one`, `two`. */
function headings(file: string): string[] {
  return Array.from(readPage(file).matchAll(/^##+ (`.*)$/gm), ([, heading = '']) => heading)
    .flatMap((heading) => Array.from(heading.matchAll(/`([\w$]+)`/g), ([, name = '']) => name))
}

function declared(file: string): Declaration[] {
  return blocksOf(file).filter(({ words }) => words.includes('declaration')).flatMap(({ text }) => declarationsIn(text))
}

/** `new` and `default` cannot be declared: they are the names that these are exported by. */
const otherNames: Readonly<Record<string, string>> = { create: 'new', plugin: 'default' }

/** Which pages are about an entry point: together they name each of its exports once. */
const pagesOf = new Map([
  ['lib/index', ['reference/leveret', 'reference/streaming', 'reference/websocket', 'reference/clients', 'reference/errors']],
  ['lev/index', ['reference/lev']],
  ['lev/eslint', ['reference/eslint']],
  ['tls/index', ['reference/tls']],
  ['lib/observe/index', ['reference/observe']],
  ['lib/web/crossws/index', ['reference/crossws']],
  ['lib/web/fetch/index', ['reference/fetch']],
  ['lib/web/hono/index', ['reference/hono']],
  ['lib/systemd/index', ['reference/systemd']],
  ['lib/web/limits/index', ['reference/limits']],
  ['lib/web/metrics/index', ['reference/metrics']],
  ['lib/web/openapi/index', ['reference/openapi']],
  ['lib/web/router/index', ['reference/router']],
  ['lib/web/static/index', ['reference/static']],
  ['lib/workers/index', ['reference/workers']],
  ['testing/index', ['reference/testing']],
  ['lib/dialects/lune/index', ['dialects/lune']],
  ['lib/dialects/lute/index', ['dialects/lute']],
  ['lib/dialects/nodemcu/index', ['dialects/nodemcu']],
  ['lib/dialects/zune/index', ['dialects/zune']],
])

function filesOf(entry: string): string[] {
  return (pagesOf.get(entry) ?? []).map((page) => `docs/${page}.md`)
}

t.test('the built declarations fit together, without what is not for users', async (t) => {
  const files = readdirSync(join(root, 'dist'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.d.ts')).map((file) => join(root, 'dist', file))
  const program = ts.createProgram(files, {
    module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, target: ts.ScriptTarget.ES2023,
    types: ['node'], strict: true,
  })
  const faults = files.flatMap((file) => ts.getPreEmitDiagnostics(program, program.getSourceFile(file)))
  t.strictSame(faults.map(({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`), [])
})

t.test('every page is about an entry point', async (t) => {
  const all = pages().filter((file) => /^docs\/(reference|dialects)\//.test(file))
  t.strictSame([...pagesOf.keys()].flatMap(filesOf).sort(), all.sort())
})

for (const entry of pagesOf.keys()) {
  t.test(filesOf(entry).join(', '), async (t) => {
    const exported = exportsOf(entry)
    const names = filesOf(entry).flatMap(headings)
    t.strictSame([...exported.keys()].filter((name) => !names.includes(name)), [], 'every export has a heading')
    t.strictSame(names.filter((name) => !exported.has(name)), [], 'every heading is about an export')
    t.strictSame(names.filter((name, at) => names.indexOf(name) !== at), [], 'each has one heading')
    for (const said of filesOf(entry).flatMap(declared)) {
      const real = exported.get(otherNames[said.name] ?? said.name)
      if (real === undefined) t.fail(`${said.name} is not exported`)
      else compare(t, said, real)
    }
  })
}

/** What every error and everything that can be iterated over has. */
const usual = /^(?:readonly name: string|\[Symbol\.\w+\]\(.*)$/

/** Built declarations have no members that are not for users: the page tells of all but the usual ones. */
function compare(t: Tap, said: Declaration, real: Declaration): void {
  t.equal(said.kind, real.kind, said.name)
  t.equal(said.text, real.text, said.name)
  const untold = (member: string): boolean => usual.test(member) && !said.members.includes(member)
  t.strictSame(said.members, real.members.filter((member) => !untold(member)), `${said.name}: its members`)
}

type Tap = Pick<typeof t, 'equal' | 'strictSame'>
