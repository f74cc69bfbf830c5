import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What the benchmark says on the command line: TASK PORT FOLDER [CERT KEY]. See ../tasks.ts for what a task is. */
export function given() {
  const [, , task, port, folder, cert, key] = process.argv
  const read = (file) => readFileSync(join(folder, file))
  return {
    task,
    port: Number(port),
    folder,
    pem: cert === undefined ? null : { cert: readFileSync(cert), key: readFileSync(key) },
    item: JSON.parse(read('item.json')),
    text: read(task === 'text' ? 'text-1m.txt' : 'text-20k.txt').toString(),
    bytes: task === 'download' ? read('bytes-10m.bin') : null,
  }
}

export const todoToken = 'bench'
export const todos = Array.from({ length: 100 }, (_, index) => ({ title: `to do ${index + 1}`, done: index % 2 === 0 }))

export const hello = 'Hello, world!\n'
export const plain = 'text/plain; charset=utf-8'
export const gzipLevel = 4
export const pieces = 100

export function piece(index) {
  return `piece ${index} of a response that comes in pieces, one line each of them\n`
}
