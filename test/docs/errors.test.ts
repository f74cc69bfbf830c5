// The page of errors has each code, each rejection and each reason of a close once, and no other.
import t from 'tap'
import ts from 'typescript'
import { rejections, type Rejection } from '../../lib/http1/rejection.js'
import { closeReasons } from '../../lib/websocket/close-reasons.js'
import { readSources } from '../house-rules.js'
import { readPage, root } from './blocks.js'
import { exportedSymbols } from './declarations.js'

const page = readPage('docs/reference/errors.md')

/** The cells of the table rows whose first cell `first` matches. */
function rows(first: RegExp): string[][] {
  const cells = page.split('\n').filter((line) => line.startsWith('| ')).map((line) => line.slice(2, -2).split(' | '))
  return cells.filter(([cell = '']) => first.test(cell))
}

/** Classes by name, each with its code, of what is exported and is an Error that has one. */
function codes(): Map<string, string> {
  const found = new Map<string, string>()
  for (const entry of ['lib/index', 'lib/web/router/index', 'lib/workers/index', 'lev/index', 'tls/index', 'lib/dialects/lune/index', 'lib/dialects/lute/index', 'lib/dialects/nodemcu/index', 'lib/dialects/zune/index']) {
    const { checker, symbols } = exportedSymbols(entry)
    for (const { name, symbol } of symbols) {
      if (!(symbol.flags & ts.SymbolFlags.Class)) continue
      const members = checker.getDeclaredTypeOfSymbol(symbol).getProperties()
      const code = members.find((member) => member.name === 'code')
      if (code === undefined || !members.some((member) => member.name === 'stack')) continue
      const type = checker.getTypeOfSymbol(code)
      if (type.isStringLiteral()) found.set(name, type.value)
    }
  }
  return found
}

t.test('every error that has a code', async (t) => {
  const said = rows(/^`LEV/).flatMap(([code, classes = '']) => Array.from(classes.matchAll(/`(\w+)`/g), ([, name]) => `${name}: ${code}`))
  t.strictSame(said.sort(), Array.from(codes(), ([name, code]) => `${name}: \`${code}\``).sort())
})

t.test('every rejection', async (t) => {
  const table: readonly (Rejection | ((told: never) => Rejection))[] = Object.values(rejections)
  const inCode = table.map((one) => typeof one === 'function' ? one('...' as never) : one)
  const said = rows(/^\d{3}$/).map(([status, reason]) => `${status} ${reason}`)
  t.strictSame(said.sort(), inCode.map(({ status, reason }) => `${status} \`${reason}\``).sort())
})

t.test('every reason for which a WebSocket is closed', async (t) => {
  const said = rows(/^\d{4}$/).map(([code, reason]) => `${code} ${reason}`)
  t.strictSame(said.sort(), Object.values(closeReasons).map(({ code, reason }) => `${code} \`${reason}\``).sort())
})

t.test('each row says when, and what to do', async (t) => {
  const all = [...rows(/^`LEV/), ...rows(/^\d{3,4}$/)]
  t.strictSame(all.filter((cells) => cells.length !== 4 || cells.some((cell) => cell.trim() === '')), [])
})

t.test('no rejection and no reason of a close is made up elsewhere', async (t) => {
  const made = readSources(root, ['lib']).filter(({ text }) => /new BodyError\(|status: [45]\d\d, reason/.test(text)).map(({ path }) => path)
  t.strictSame(made, ['lib/errors.ts'])
  const closes = readSources(root, ['lib']).filter(({ text }) => /code: 1\d{3}, reason: '|close\(1\d{3}, '/.test(text)).map(({ path }) => path)
  t.strictSame(closes, ['lib/websocket/close-reasons.ts'])
})
