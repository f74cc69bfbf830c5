import * as lev from '../../lev/index.js'
import type { Op, Stream } from '../../lev/index.js'

/** Two ends of a connection over the driver's network: the one that connected first. */
export function* network(): Op<[Stream, Stream]> {
  const listener = yield* lev.listen({ ip: '127.0.0.1', port: 0 })
  try {
    const connecting = lev.spawn(() => lev.connect(listener.address))
    const accepted = yield* listener.accept()
    if (accepted === null) throw new Error('the listener was closed')
    return [yield* connecting.join(), accepted]
  } finally {
    listener.close()
  }
}

/** Reads to the end. */
export function* readAll(stream: Stream): Op<Buffer> {
  const parts: Buffer[] = []
  for (let part = yield* stream.read(); part !== null; part = yield* stream.read()) parts.push(part)
  return Buffer.concat(parts)
}

/** Reads until `length` bytes are there. */
export function* readExactly(stream: Stream, length: number): Op<Buffer> {
  const parts: Buffer[] = []
  for (let missing = length; missing > 0; ) {
    const part = yield* stream.read(missing)
    if (part === null) throw new Error(`the end came ${missing} bytes early`)
    parts.push(part)
    missing -= part.length
  }
  return Buffer.concat(parts)
}
