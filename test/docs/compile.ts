import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { root, type Block } from './blocks.js'

const folder = join(root, '.build', 'docs-programs')

export interface Compiled {
  /** Path of the program made from a block. */
  readonly programs: ReadonlyMap<Block, string>
  /** What the compiler says against them, each with the page and line it is about. */
  readonly problems: readonly string[]
}

/** Compiles `ts` blocks as a user's programs: `leveret` is the built package. */
export function compile(blocks: readonly Block[]): Compiled {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const sources = new Map(blocks.map((block) => {
    const source = join(folder, `${block.file.replaceAll('/', '.')}.${block.line}.ts`)
    // As many lines before it as in the page: then the compiler speaks of the page's lines.
    writeFileSync(source, '\n'.repeat(block.line - 1) + block.text)
    return [source, block]
  }))
  const program = ts.createProgram([...sources.keys()], {
    target: ts.ScriptTarget.ES2023,
    lib: ['lib.es2023.d.ts'],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    moduleDetection: ts.ModuleDetectionKind.Force,
    types: ['node'],
    strict: true,
    noImplicitReturns: true,
    verbatimModuleSyntax: true,
    erasableSyntaxOnly: true,
    skipLibCheck: true,
  })
  const { diagnostics } = program.emit()
  const problems = [...ts.getPreEmitDiagnostics(program), ...diagnostics].map(describe)
  return {
    programs: new Map(Array.from(sources, ([source, block]) => [block, source.replace(/\.ts$/, '.js')])),
    problems: [...new Set(problems)],
  }
}

function describe({ file, start, messageText }: ts.Diagnostic): string {
  const text = ts.flattenDiagnosticMessageText(messageText, '\n')
  if (file === undefined || start === undefined) return text
  const { line } = file.getLineAndCharacterOfPosition(start)
  return `${file.fileName.slice(folder.length + 1).replace(/\.\d+\.ts$/, '')}:${line + 1}: ${text}`
}
