// Of each exported name, and of each member that a user may reach by it: what an editor shows, and what may be given.
import { join } from 'node:path'
import t from 'tap'
import ts from 'typescript'
import { exportedSymbols } from './declarations.js'
import { root } from './blocks.js'

const entries = ['lib/index', 'lib/observe/index', 'lib/systemd/index', 'lib/web/crossws/index', 'lib/web/fetch/index', 'lib/web/hono/index', 'lib/web/limits/index', 'lib/web/metrics/index', 'lib/web/openapi/index', 'lib/web/router/index', 'lib/web/static/index', 'lib/workers/index', 'lev/index', 'lev/eslint', 'tls/index', 'testing/index', 'lib/dialects/lune/index', 'lib/dialects/lute/index', 'lib/dialects/nodemcu/index', 'lib/dialects/zune/index']

for (const entry of entries) {
  t.test(`every name of ${entry} has a description`, async (t) => {
    const { checker, symbols } = exportedSymbols(entry)
    const untold = symbols.flatMap(({ name, symbol }) => {
      const members = membersOf(symbol, checker).filter((member) => !isTold(member, checker)).map((member) => `${name}.${member.name}`)
      return isTold(symbol, checker) ? members : [name, ...members]
    })
    t.strictSame([...new Set(untold)], [])
  })
}

t.test('every optional property takes null and undefined', async (t) => {
  const untold = entries.flatMap((entry) => {
    const { checker, symbols } = exportedSymbols(entry)
    return symbols.flatMap(({ name, symbol }) => membersOf(symbol, checker).filter((member) => !takesNothing(member)).map((member) => `${name}.${member.name}`))
  })
  t.strictSame([...new Set(untold)], [])
})

const formerNames: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'lib/index': { Answer: 'HandlerResult', AnswerParts: 'ResponseParts', Disposition: 'NextAction' },
  'lev/index': { breathe: 'yieldNow', outside: 'runOutsideTask', waitForWork: 'waitForThreadPool' },
}

t.test('former names are deprecated names of the same', async (t) => {
  for (const entry of entries) {
    const { symbols } = exportedSymbols(entry)
    const names = formerNames[entry] ?? {}
    t.strictSame(symbols.filter(({ isDeprecated }) => isDeprecated).map(({ name }) => name).sort(), Object.keys(names), entry)
    const named = new Map(symbols.map(({ name, symbol }) => [name, symbol]))
    for (const [former, name] of Object.entries(names)) t.equal(named.get(former), named.get(name), former)
  }
})

function takesNothing({ declarations = [] }: ts.Symbol): boolean {
  return declarations.every((one) => {
    if (!ts.isPropertySignature(one) || one.questionToken === undefined) return true
    return /\| null \| undefined$/.test(one.type?.getText() ?? '')
  })
}

function membersOf(symbol: ts.Symbol, checker: ts.TypeChecker): ts.Symbol[] {
  const [declaration] = symbol.declarations ?? []
  if (declaration === undefined || ts.isFunctionDeclaration(declaration)) return []
  const type = symbol.flags & ts.SymbolFlags.Value && !(symbol.flags & ts.SymbolFlags.Class) ? checker.getTypeOfSymbol(symbol) : checker.getDeclaredTypeOfSymbol(symbol)
  if (type.isUnion() || checker.isArrayLikeType(type)) return []
  return type.getProperties().filter(isOurs)
}

/** Declared in the package, and with a name that is written. */
function isOurs(member: ts.Symbol): boolean {
  const files = (member.declarations ?? []).map((one) => one.getSourceFile().fileName)
  return files.length > 0 && files.every((file) => file.startsWith(join(root, 'dist'))) && !/^(?:__[@#]|#)/.test(member.name)
}

function isTold(symbol: ts.Symbol, checker: ts.TypeChecker): boolean {
  if (symbol.getDocumentationComment(checker).length > 0 || symbol.getJsDocTags(checker).length > 0) return true
  // Of a function that an object holds, an editor shows what the function says.
  return checker.getTypeOfSymbol(symbol).getCallSignatures().some((call) => call.getDocumentationComment(checker).length > 0)
}
