import * as lev from '../lev/index.js'
import type { Op, Stream } from '../lev/index.js'

/** Opens a connection over the driver's network and returns both ends, the connecting one first. */
export function* connectedPair(): Op<[Stream, Stream]> {
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

/** Reads to the end of the stream. @throws ClosedError if the connection is lost before */
export function* readAll(stream: Stream): Op<Buffer> {
  const parts: Buffer[] = []
  for (let part = yield* stream.read(); part !== null; part = yield* stream.read()) parts.push(part)
  return Buffer.concat(parts)
}

/** Reads exactly `length` bytes. @throws Error if the stream ends before */
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
