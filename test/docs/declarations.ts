import { join } from 'node:path'
import ts from 'typescript'
import { root } from './blocks.js'

/** One export of an entry point as it is declared, or as a page says it is. */
export interface Declaration {
  /** What it is exported as. */
  readonly name: string
  readonly kind: 'function' | 'class' | 'interface' | 'type' | 'const'
  /** The declaration in a normal form; of a class or interface, its type parameters. */
  readonly text: string
  /** Members in a normal form, sorted, without private ones, constructors, and those of the language's own classes. */
  readonly members: readonly string[]
}

const printer = ts.createPrinter({ removeComments: true })

/** The symbols that a built entry point exports. @param entry its path in `dist`, such as `lev/index` */
export function exportedSymbols(entry: string): { checker: ts.TypeChecker; symbols: readonly { name: string; symbol: ts.Symbol; isDeprecated: boolean }[] } {
  const file = join(root, 'dist', `${entry}.d.ts`)
  const program = ts.createProgram([file], {
    module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, target: ts.ScriptTarget.ES2023,
    types: ['node'], skipLibCheck: true, strict: true,
  })
  const checker = program.getTypeChecker()
  const source = program.getSourceFile(file)
  const module = source && checker.getSymbolAtLocation(source)
  if (module === undefined) throw new Error(`${file} is missing: run npm run build`)
  const symbols = checker.getExportsOfModule(module).map((exported) => {
    const isDeprecated = exported.getJsDocTags(checker).some(({ name }) => name === 'deprecated')
    return { name: exported.name, symbol: exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported, isDeprecated }
  })
  return { checker, symbols }
}

/** What a built entry point exports, by name. */
export function exportsOf(entry: string): Map<string, Declaration> {
  const { checker, symbols } = exportedSymbols(entry)
  return new Map(symbols.map(({ name, symbol }) => {
    const said = merged((symbol.declarations ?? []).map((node) => declarationOf(node, checker)))[0]
    if (said === undefined) throw new Error(`${name} has no declaration`)
    return [name, { ...said, name }]
  }))
}

/** The declarations of a `ts declaration` block. */
export function declarationsIn(text: string): Declaration[] {
  const source = ts.createSourceFile('block.ts', text, ts.ScriptTarget.ES2023, true)
  return merged(source.statements.map((statement) => {
    const node = ts.isVariableStatement(statement) ? statement.declarationList.declarations[0] : statement
    if (node === undefined) throw new Error(`not a declaration: ${statement.getText()}`)
    return declarationOf(node, null)
  }))
}

/** Overloads of a function are one declaration. */
function merged(declarations: readonly Declaration[]): Declaration[] {
  const byName = new Map<string, Declaration>()
  for (const one of declarations) {
    const before = byName.get(one.name)
    if (before !== undefined && before.kind !== 'function') throw new Error(`${one.name} is declared twice`)
    byName.set(one.name, before === undefined ? one : { ...one, text: `${before.text}\n${one.text}` })
  }
  return [...byName.values()]
}

function declarationOf(node: ts.Node, checker: ts.TypeChecker | null): Declaration {
  if (ts.isFunctionDeclaration(node)) {
    return { name: nameOf(node), kind: 'function', text: signature(node), members: [] }
  }
  if (ts.isVariableDeclaration(node)) {
    return { name: nameOf(node), kind: 'const', text: withoutQueries(node), members: [] }
  }
  if (ts.isTypeAliasDeclaration(node)) {
    return { name: nameOf(node), kind: 'type', text: `${parameters(node)} = ${typeText(node.type)}`, members: [] }
  }
  if (ts.isClassDeclaration(node) || ts.isInterfaceDeclaration(node)) {
    const kind = ts.isClassDeclaration(node) ? 'class' : 'interface'
    return { name: nameOf(node), kind, text: parameters(node), members: membersOf(node, checker) }
  }
  throw new Error(`a declaration of an unknown kind: ${node.getText()}`)
}

/** A constant's type, with `typeof f` spelled out for a function of the same file. */
function withoutQueries(node: ts.VariableDeclaration): string {
  const functions = node.getSourceFile().statements.filter(ts.isFunctionDeclaration)
  return typeText(node.type).replace(/\btypeof (\w+)/g, (query, name: string) => {
    const [found, ...others] = functions.filter((one) => nameOf(one) === name)
    if (found === undefined || others.length > 0) return query
    return `${parameters(found)}(${found.parameters.map(normal).join(', ')}) => ${typeText(found.type)}`
  })
}

function nameOf(node: ts.NamedDeclaration): string {
  return node.name?.getText() ?? ''
}

function membersOf(node: ts.ClassDeclaration | ts.InterfaceDeclaration, checker: ts.TypeChecker | null): string[] {
  const declared: readonly ts.Node[] = checker === null ? node.members : allMembers(checker.getTypeAtLocation(node))
  const members = declared.flatMap((member) => memberText(member, declared) ?? [])
  return [...new Set(members)].sort()
}

/** With those that it inherits. */
function allMembers(type: ts.Type): ts.Node[] {
  const calls = type.getCallSignatures().flatMap(({ declaration }) => declaration ?? [])
  return [...calls, ...type.getProperties().flatMap(({ declarations }) => declarations ?? [])]
}

/** One member in a normal form: an accessor is written as a property. */
function memberText(member: ts.Node, all: readonly ts.Node[]): string | null {
  if (member.getSourceFile().fileName.includes('/node_modules/') || isHidden(member)) return null
  if (ts.isGetAccessorDeclaration(member)) {
    const name = member.name.getText()
    const settable = all.some((other) => ts.isSetAccessorDeclaration(other) && other.name.getText() === name)
    return `${settable ? '' : 'readonly '}${name}: ${typeText(member.type)}`
  }
  if (ts.isPropertyDeclaration(member) || ts.isPropertySignature(member)) return propertyText(member)
  if (ts.isMethodDeclaration(member) || ts.isMethodSignature(member)) {
    return `${member.name.getText()}${member.questionToken === undefined ? '' : '?'}${signature(member)}`
  }
  if (ts.isCallSignatureDeclaration(member)) return signature(member)
  return null
}

function isHidden(member: ts.Node): boolean {
  const modifiers = ts.canHaveModifiers(member) ? (ts.getModifiers(member) ?? []) : []
  return modifiers.some(({ kind }) => kind === ts.SyntaxKind.ProtectedKeyword || kind === ts.SyntaxKind.PrivateKeyword)
}

function propertyText(member: ts.PropertyDeclaration | ts.PropertySignature): string | null {
  if (ts.isPrivateIdentifier(member.name)) return null
  const isReadonly = member.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ReadonlyKeyword) === true
  const optional = member.questionToken === undefined ? '' : '?'
  // A constant is declared by its value alone.
  const value = ts.isPropertyDeclaration(member) ? member.initializer : undefined
  const name = `${isReadonly ? 'readonly ' : ''}${member.name.getText()}${optional}`
  return `${name}: ${value === undefined ? typeText(member.type) : normal(value)}`
}

function signature(node: ts.SignatureDeclaration): string {
  return `${parameters(node)}(${node.parameters.map(normal).join(', ')}): ${typeText(node.type)}`
}

function parameters(node: { typeParameters?: ts.NodeArray<ts.TypeParameterDeclaration> }): string {
  return node.typeParameters === undefined ? '' : `<${node.typeParameters.map(normal).join(', ')}>`
}

function typeText(node: ts.TypeNode | undefined): string {
  return node === undefined ? 'any' : normal(node)
}

function normal(node: ts.Node): string {
  const text = printer.printNode(ts.EmitHint.Unspecified, node, node.getSourceFile())
  return text.replace(/;/g, '').replace(/\s+/g, ' ').replaceAll('"', "'").replace(/^\| /, '').trim()
}
