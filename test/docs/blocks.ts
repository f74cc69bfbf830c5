import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { built } from '../examples/program.js'

/**
 * A fenced block of the documentation. The words of its info string say how it is tested:
 *
 *     ts               a whole program: must compile, run and end by itself with exit code 0
 *     ts serves        a program that serves until Ctrl-C, while the `sh` blocks after it run; then it must end with 0
 *     ts from=FILE     a part of a file of the repository, as it stands there
 *     ts declaration   what the package exports: compared with its built declarations
 *     js fastify       how it is written in another framework (or express, hono): not run, but it must have the right syntax
 *     js file=NAME     a program that the `sh` blocks after it run, which find it under this name
 *     nginx, haproxy, systemd   a configuration, run by test/docs/production.test.ts; `nginx stream`: for the `stream` of nginx
 *     ts production    a program that this test runs, and the `sh production` and `text production` after it
 *     sh               run by a shell against the program before it; `exit=28`: with which exit code it ends
 *     sh root          likewise, in the root of the repository
 *     sh demo          run against the demo service
 *     sh norun         not run (it would install or start what the other blocks use); these are counted
 *     text             what the block before it prints; `...` stands for anything, and alone in a line for any lines
 *     text program     what the serving program has printed
 */
export interface Block {
  /** Path of the page, from the root of the repository. */
  readonly file: string
  /** Of the block's first line. */
  readonly line: number
  readonly language: string
  readonly words: readonly string[]
  readonly text: string
}

/** The root of the repository. */
export const root = built('..')

/** Every page: the README, CONTRIBUTING and all of docs/. */
export function pages(): string[] {
  const docs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
  return ['README.md', 'CONTRIBUTING.md', ...docs.filter((file) => file.endsWith('.md')).sort().map((file) => join('docs', file))]
}

export function readPage(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

/** The fenced blocks of a page, in order. */
export function blocksOf(file: string): Block[] {
  const blocks: Block[] = []
  let open: { info: string; line: number; lines: string[] } | null = null
  for (const [index, text] of readPage(file).split('\n').entries()) {
    if (open === null) {
      if (text.startsWith('```')) open = { info: text.slice(3), line: index + 2, lines: [] }
    } else if (text === '```') {
      const [language = '', ...words] = open.info.split(' ')
      blocks.push({ file, line: open.line, language, words, text: `${open.lines.join('\n')}\n` })
      open = null
    } else {
      open.lines.push(text)
    }
  }
  if (open !== null) throw new Error(`${file}:${open.line}: the block has no end`)
  return blocks
}

/** Whether `actual` is what a `text` block says, but for what `...` stands for. */
export function says(expected: string, actual: string): boolean {
  const lines = expected.trimEnd().split('\n').map((line) => {
    if (line === '...') return '(?:.*\n)*?'
    return `${line.split('...').map(literally).join('.*?')} *\n`
  })
  return new RegExp(`^${lines.join('')}$`).test(`${actual.replaceAll('\r\n', '\n').trimEnd()}\n`)
}

function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
