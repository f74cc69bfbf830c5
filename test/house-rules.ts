import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, relative, sep } from 'node:path'
import ts from 'typescript'

/** A source file of the project; `path` is from the root, with slashes. */
export interface Source {
  readonly path: string
  readonly text: string
}

const longestFile = 400

/** Folders in which each may import only itself and those behind it. */
const layers = ['lev', 'tls', 'lib', 'testing']

/** What the layers above take of `lev`. */
const levFaces = new Set(['lev/index.ts', 'lev/internal.ts'])

/** A layer that is written as its users write: it takes the public faces of the others. */
const usersLayer = 'testing'

/** The entry of a helper for services. */
const webEntry = /^lib\/web\/[a-z-]+\/index\.ts$/

/** The folders below `lib` that import nothing but themselves. */
const pureFolder = 'lib/http1/'

/** Modules that bring bytes or time: for drivers alone. */
const driverModules = new Set([
  'net', 'dgram', 'http', 'https', 'http2', 'timers', 'timers/promises', 'perf_hooks', 'inspector', 'worker_threads',
])

/** What `tls/` may take from node:tls: nothing that opens a connection. */
const tlsNames = new Set(['createSecureContext', 'checkServerIdentity', 'rootCertificates', 'getCiphers', 'DEFAULT_CIPHERS'])

/** What compresses: the table of content codings, and the extension of WebSockets. */
const zlibUsers = new Set(['lib/coding/codings.ts', 'lib/coding/node-zstd.ts', 'lib/websocket/deflate.ts'])

/** What measures the event loop of the process, which is no clock to go by. */
const loopObservers = new Set(['lib/web/metrics/process-numbers.ts'])

/** Names, and members of names, that read a clock or set a timer. */
const clockNames = new Set(['setTimeout', 'setInterval', 'setImmediate', 'performance'])
const clockMembers = new Set(['Date.now', 'process.hrtime', 'process.uptime', 'AbortSignal.timeout'])

/** Parts of Node's that it does not document, and the folder in which they stand behind a gate. */
const privateNames = new Set(['_handle', '_writeState', 'writeQueueSize', 'useUserBuffer', 'onconnection', 'getsockname', 'verifyError', '_tlsError'])
const internalsFolder = 'lev/drivers/node/internals/'

/** All TypeScript files below `folders`. */
export function readSources(root: string, folders: readonly string[]): Source[] {
  const sources: Source[] = []
  for (const folder of folders) {
    if (!existsSync(join(root, folder))) continue
    for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.ts') || entry.parentPath.includes('node_modules')) continue
      const file = join(entry.parentPath, entry.name)
      sources.push({ path: relative(root, file).split(sep).join('/'), text: readFileSync(file, 'utf8') })
    }
  }
  return sources
}

/** Every breach of the rules of the house, one line each. */
export function breaches(sources: readonly Source[]): string[] {
  const found: string[] = []
  const imports = new Map<string, string[]>()
  for (const source of sources) {
    const parsed = ts.createSourceFile(source.path, source.text, ts.ScriptTarget.Latest, true)
    const tell = (node: ts.Node, what: string): void => {
      found.push(`${source.path}:${parsed.getLineAndCharacterOfPosition(node.getStart()).line + 1}: ${what}`)
    }
    checkFile(source, (what) => found.push(`${source.path}: ${what}`))
    imports.set(source.path, [])
    for (const { node, from } of importsOf(parsed)) {
      const target = resolve(source.path, from)
      if (target !== null) imports.get(source.path)?.push(target)
      if (target !== null && !sources.some(({ path }) => path === target)) tell(node, `imports ${from}, which is not there`)
      checkImport(source.path, node, from, target, (what) => tell(node, what))
    }
    for (const { node, from } of programsOf(parsed)) {
      const target = resolve(source.path, from.startsWith('.') ? from : `./${from}`)
      // Compiled files stand one folder deeper: what lies beyond is not compiled.
      if (!target?.startsWith('../') && !sources.some(({ path }) => path === target)) tell(node, `names ${from}, which is not there`)
    }
    if (layerOf(source.path) !== null) checkNodes(source.path, parsed, tell)
  }
  return [...found, ...circles(imports)]
}

function checkFile({ path, text }: Source, tell: (what: string) => void): void {
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
  // Tables of cases are long and still one concern.
  if (lines > longestFile && !path.startsWith('test/')) tell(`has ${lines} lines, more than ${longestFile}`)
  for (const part of path.split('/')) {
    if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.test)?(\.d)?(\.ts)?$/.test(part)) tell(`${part} is not written-like-this`)
  }
}

function layerOf(path: string): string | null {
  return layers.find((layer) => path.startsWith(`${layer}/`)) ?? null
}

interface Import {
  readonly node: ts.Node
  readonly from: string
}

function importsOf(file: ts.SourceFile): Import[] {
  const found: Import[] = []
  const visit = (node: ts.Node): void => {
    let from: ts.Node | undefined
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) from = node.moduleSpecifier
    else if (ts.isImportTypeNode(node)) from = node.argument
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) from = node.arguments[0]
    if (from !== undefined && ts.isLiteralTypeNode(from)) from = from.literal
    if (from !== undefined && ts.isStringLiteral(from)) found.push({ node, from: from.text })
    ts.forEachChild(node, visit)
  }
  visit(file)
  return found
}

/** Compiled files that are named by `new URL('….js', import.meta.url)`, to be run or imported by text: no compiler sees that they moved. */
function programsOf(file: ts.SourceFile): Import[] {
  const found: Import[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isNewExpression(node) && node.expression.getText(file) === 'URL' && node.arguments?.[1]?.getText(file) === 'import.meta.url') {
      const [from] = node.arguments
      if (ts.isStringLiteral(from) && from.text.endsWith('.js')) found.push({ node, from: from.text })
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return found
}

/** The path of a file of the project, or null for anything else. */
function resolve(path: string, from: string): string | null {
  const named = { leveret: 'lib/index.ts', 'leveret/lev': 'lev/index.ts', 'leveret/eslint': 'lev/eslint.ts', 'leveret/tls': 'tls/index.ts', 'leveret/testing': 'testing/index.ts', 'leveret/observe': 'lib/observe/index.ts', 'leveret/router': 'lib/web/router/index.ts', 'leveret/static': 'lib/web/static/index.ts' }[from]
  if (named !== undefined) return named
  if (from.startsWith('leveret/dialects/')) return `lib/${from.slice('leveret/'.length)}/index.ts`
  return from.startsWith('.') ? posix.join(posix.dirname(path), from).replace(/\.js$/, '.ts') : null
}

function checkImport(path: string, node: ts.Node, from: string, target: string | null, tell: (what: string) => void): void {
  const layer = layerOf(path)
  if (layer === null) return
  if (target !== null) {
    const other = layerOf(target)
    if (other === null) tell(`${layer} imports ${target}`)
    else if (layers.indexOf(other) > layers.indexOf(layer)) tell(`${layer} imports ${other}: imports point down only`)
    else if (layer === usersLayer && other !== layer && target !== `${other}/index.ts` && !webEntry.test(target)) {
      tell(`${layer} imports ${target}: it takes only ${other}/index.ts, and the entries in lib/web`)
    }
    else if (other === 'lev' && layer !== 'lev' && !levFaces.has(target)) tell(`${layer} imports ${target}: only lev/index.ts and lev/internal.ts are for the layers above`)
  }
  const name = from.replace(/^node:/, '')
  if (path.startsWith(pureFolder)) {
    if (target === null ? name !== 'buffer' : !target.startsWith(pureFolder)) tell(`${pureFolder} imports ${from}`)
    return
  }
  if (path.startsWith('lev/drivers/')) return
  if (driverModules.has(name) && !(name === 'perf_hooks' && loopObservers.has(path))) tell(`only lev/drivers may import ${from}`)
  if (name === 'zlib' && !zlibUsers.has(path)) tell(`only ${[...zlibUsers].join(' and ')} may import node:zlib`)
  if (name === 'tls') checkTlsNames(layer, node, tell)
}

function checkTlsNames(layer: string, node: ts.Node, tell: (what: string) => void): void {
  const clause = ts.isImportDeclaration(node) ? node.importClause : undefined
  if (clause === undefined) return tell('only lev/drivers may import all of node:tls')
  if (clause.isTypeOnly) return
  const named = clause.namedBindings
  if (layer !== 'tls' || clause.name !== undefined || named === undefined || !ts.isNamedImports(named)) {
    return tell('only lev/drivers may import all of node:tls')
  }
  for (const { name, propertyName, isTypeOnly } of named.elements) {
    const original = (propertyName ?? name).text
    if (!isTypeOnly && !tlsNames.has(original)) tell(`only lev/drivers may import ${original} from node:tls`)
  }
}

function checkNodes(path: string, file: ts.SourceFile, tell: (node: ts.Node, what: string) => void): void {
  const isDriver = path.startsWith('lev/drivers/') || loopObservers.has(path)
  const isInternal = path.startsWith(internalsFolder)
  const visit = (node: ts.Node): void => {
    if (node.kind === ts.SyntaxKind.AnyKeyword) tell(node, 'the type any')
    if (ts.isNonNullExpression(node)) tell(node, 'a ! that silences the compiler')
    if (ts.isAsExpression(node) && ts.isAsExpression(skip(node.expression))) tell(node, 'a cast of a cast')
    if (!isDriver) checkClock(node, tell)
    if (!isInternal && (ts.isIdentifier(node) || ts.isStringLiteralLike(node)) && privateNames.has(node.text)) {
      tell(node, `only ${internalsFolder} may use ${node.text}`)
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
}

function skip(node: ts.Expression): ts.Expression {
  return ts.isParenthesizedExpression(node) ? skip(node.expression) : node
}

function checkClock(node: ts.Node, tell: (node: ts.Node, what: string) => void): void {
  if (ts.isNewExpression(node) && node.expression.getText() === 'Date' && (node.arguments?.length ?? 0) === 0) {
    tell(node, 'only lev/drivers may read the clock: new Date()')
  }
  if (ts.isPropertyAccessExpression(node)) {
    const text = node.getText().replace(/^globalThis\./, '')
    if (clockMembers.has(text) || clockNames.has(text)) tell(node, `only lev/drivers may use ${text}`)
    return
  }
  if (!ts.isIdentifier(node) || !clockNames.has(node.text)) return
  const { parent } = node
  // A property of that name belongs to another object.
  if (ts.isPropertyAccessExpression(parent) && parent.name === node) return
  if (ts.isPropertyAssignment(parent) && parent.name === node) return
  tell(node, `only lev/drivers may use ${node.text}`)
}

/** Each circle of imports, once; types count too, since a reader has to follow them as well. */
function circles(imports: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = []
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path)
    if (at >= 0) found.push(`a circle of imports: ${[...trail.slice(at), path].join(' -> ')}`)
    if (at >= 0 || done.has(path)) return
    for (const target of imports.get(path) ?? []) visit(target, [...trail, path])
    done.add(path)
  }
  for (const path of imports.keys()) visit(path, [])
  return found
}

/** The folder of the project that a built or unbuilt test is in. */
export function projectRoot(from: string): string {
  for (let folder = from; folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, 'lev', 'index.ts')) && existsSync(join(folder, 'package.json'))) return folder
  }
  throw new Error(`${from} is not inside the project`)
}
