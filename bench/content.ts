import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Numbers from 0 to 1 that look random and are always the same. */
export function random(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    // Mulberry32.
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const syllables = 'ba cor de fi gan hu is jo ka lem mi no os pre qua ri sto ta un ver'.split(' ')

/** Prose of exactly `size` bytes, all ASCII, in words of which some are frequent: it compresses as prose does. */
export function prose(size: number): string {
  const next = random(20)
  const pick = (): string => syllables[Math.floor(next() * syllables.length)]
  const words = Array.from({ length: 2000 }, () => Array.from({ length: 1 + Math.floor(next() * 4) }, pick).join(''))
  const lines: string[] = []
  for (let length = 0, line = ''; length < size;) {
    line += `${line === '' ? '' : ' '}${words[Math.floor(next() ** 3 * words.length)]}`
    if (line.length < 72) continue
    lines.push(line)
    length += line.length + 1
    line = ''
  }
  return `${lines.join('\n').slice(0, size - 1)}\n`
}

/** An object as an API would return it; about 2 KB as JSON. Its keys are in alphabetical order, as some peers sort them. */
export function item(): object {
  const next = random(21)
  return {
    id: 4711,
    items: Array.from({ length: 16 }, (_, index) => ({
      available: next() < 0.5,
      id: 1000 + index,
      name: prose(34).trim().slice(index % 7),
      price: Math.floor(next() * 100_000),
      tags: ['one', 'two', 'three'].slice(0, 1 + (index % 3)),
    })),
    next: '/items?page=3',
    title: 'What there is',
    total: 391,
  }
}

/** Bytes that do not compress. */
export function noise(size: number): Buffer {
  const next = random(22)
  const bytes = Buffer.alloc(size)
  for (let at = 0; at + 4 <= size; at += 4) bytes.writeUInt32LE(Math.floor(next() * 2 ** 32), at)
  return bytes
}

/** Puts what the servers respond with into `folder`. */
export function writeContent(folder: string): void {
  writeFileSync(join(folder, 'hello.txt'), 'Hello, world!\n')
  writeFileSync(join(folder, 'item.json'), JSON.stringify(item()))
  writeFileSync(join(folder, 'text-20k.txt'), prose(20 * 1024))
  writeFileSync(join(folder, 'text-1m.txt'), prose(2 ** 20))
  writeFileSync(join(folder, 'bytes-10m.bin'), noise(10 * 2 ** 20))
}
