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

/** A server that takes part. */
export interface Peer {
  /** What `--peers` takes. */
  readonly name: string
  readonly title: string
  /** Why it has no part in a task; null if it has. */
  declines(task: TaskName): string | null
  /** Its version, or why it is not to be had here. */
  find(): { readonly version: string } | { readonly absent: string }
  /** The command that serves in the foreground. */
  command(order: Order): readonly string[]
}

/** `TASK PORT FOLDER [CERT KEY]`: how the programs are told what to serve. */
export function argumentsOf({ task, port, content, pem }: Order): string[] {
  return [task, String(port), content, ...(pem === null ? [] : [pem.cert, pem.key])]
}

function nodeProgram(name: string): (order: Order) => string[] {
  const program = fileURLToPath(new URL(`servers/${name}.js`, import.meta.url))
  return (order) => [process.execPath, program, ...argumentsOf(order)]
}

const leveret: Peer = {
  name: 'leveret',
  title: 'Leveret',
  declines: () => null,
  find: () => ({ version: process.version }),
  command: nodeProgram('leveret'),
}

const nodeHttp: Peer = {
  name: 'node-http',
  title: 'node:http',
  declines: (task) => (task === 'websocket' ? 'node:http has no WebSocket' : null),
  find: () => ({ version: process.version }),
  command: nodeProgram('node-http'),
}

export const peers: readonly Peer[] = [leveret, nodeHttp]

/** Whom the others are compared with. */
export function referenceOf(task: TaskName): string {
  return task === 'websocket' ? 'ws' : 'node-http'
}
