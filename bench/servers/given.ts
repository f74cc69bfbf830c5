import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { tasks, type TaskName } from '../tasks.js'

/** What a server is told on its command line. */
export interface Given {
  readonly task: TaskName
  readonly port: number
  /** Where the content lies that it responds with. */
  readonly folder: string
  /** Paths of PEM files for TLS, or null. */
  readonly pem: { readonly cert: string; readonly key: string } | null
}

/** The text of every short response. */
export const hello = 'Hello, world!\n'

/** @throws Error if the command line is not `TASK PORT FOLDER` or `TASK PORT FOLDER CERT KEY` */
export function given(): Given {
  const [, , name, port, folder, cert, key] = process.argv
  const task = tasks.find((known) => known === name)
  if (task === undefined) throw new Error(`unknown task ${name}; known are ${tasks.join(', ')}`)
  return { task, port: Number(port), folder, pem: cert === undefined || key === undefined ? null : { cert, key } }
}

/** The content that a task needs; whatever it does not need is left unread. */
export function content({ task, folder }: Given): { item: unknown; text: string; bytes: Buffer } {
  const read = (file: string): Buffer => readFileSync(join(folder, file))
  return {
    item: task === 'json' ? JSON.parse(read('item.json').toString()) : null,
    text: task === 'gzip' ? read('text-20k.txt').toString() : task === 'text' ? read('text-1m.txt').toString() : '',
    bytes: task === 'download' ? read('bytes-10m.bin') : Buffer.alloc(0),
  }
}

/** SIGUSR2 asks a server to collect its garbage, so that what it holds can be measured. */
export function collectOnSignal(): void {
  process.on('SIGUSR2', () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    for (let round = 0; round < 3; round++) collect()
  })
}
