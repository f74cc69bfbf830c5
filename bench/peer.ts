import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { TaskName } from './tasks.js'

/** PEM files for the scenarios over TLS. */
export interface PemFiles {
  readonly cert: string
  readonly key: string
}

/** What a server is started with. */
export interface Order {
  readonly task: TaskName
  readonly port: number
  /** Where the content lies. */
  readonly content: string
  /** A folder for files of the moment. */
  readonly folder: string
  readonly pem: PemFiles | null
}

/** A peer's version, or why it is not to be had here. */
export type Found = { readonly version: string } | { readonly absent: string }

/** A server that takes part. */
export interface Peer {
  /** What `--peers` takes. */
  readonly name: string
  readonly title: string
  /** SIGUSR2 makes it collect its garbage. */
  readonly collects: boolean
  /** Why it has no part in a task; null if it has. */
  declines(task: TaskName): string | null
  find(): Found
  /** The command that serves in the foreground. */
  command(order: Order): readonly string[]
}

export const notInstalled = 'not installed: npm run bench:install'

/** `TASK PORT FOLDER [CERT KEY]`: how the programs are told what to serve. */
export function argumentsOf({ task, port, content, pem }: Order): string[] {
  return [task, String(port), content, ...(pem === null ? [] : [pem.cert, pem.key])]
}

/** A file of the peers' package, which is never compiled. */
export function peerFile(path: string): string {
  return fileURLToPath(new URL(`../../bench/peers/${path}`, import.meta.url))
}

/** A package that is installed in the peers' package. */
export function installed(name: string): Found {
  try {
    return { version: packageVersion(peerFile(`node_modules/${name}/package.json`)) }
  } catch {
    return { absent: notInstalled }
  }
}

export function packageVersion(file: string): string {
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

/** What a program prints, or null if it does not run. */
export function printed(program: string, args: readonly string[]): string | null {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  return status === 0 ? `${stdout}${stderr}`.trim() : null
}
