/** Keeps what `allocBuffer` throws away from being optimized away. */
export let ballast: unknown = null

/** Bytes below which memory comes from Node's pool, and elements that are thrown away at the most. */
const smallest = 4096
const most = 8192

/**
 * Room for bytes. The memory of buffers is not on V8's heap. V8 counts it, but does not get rid of dead buffers in time as there
 * is little else to collect; so it takes itself to be growing, and marks the whole heap every 32 MiB: a third of the CPU time of an
 * upload of 1 MB, a quarter of a WebSocket message of 16 KB. Something on the heap, half as large, to be thrown away with the
 * buffer, has it collect what is young sooner.
 */
export function allocBuffer(size: number): Buffer {
  if (size >= smallest) ballast = new Array(Math.min(size >>> 4, most))
  return Buffer.allocUnsafe(size)
}
