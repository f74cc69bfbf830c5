/** Exported so that the compiler cannot optimize the allocation away. */
export let ballast: unknown = null

/** Smaller buffers may come from Node's pool, and get no ballast. */
const pooledBytes = 4096
/** Maximum number of elements of one ballast. */
const ballastElements = 8192

/**
 * Allocates an uninitialized buffer.
 *
 * Buffers live outside V8's heap. V8 counts their memory, but frees dead buffers late, because there is little else to collect;
 * so it sees growth and marks the whole heap every 32 MiB: a third of the CPU time of an upload of 1 MB, a quarter of that of a
 * WebSocket message of 16 KB. A ballast array on the heap, half as large as the buffer and dead at the next call, makes V8
 * collect young objects sooner.
 */
export function allocBuffer(size: number): Buffer {
  if (size >= pooledBytes) ballast = new Array(Math.min(size >>> 4, ballastElements))
  return Buffer.allocUnsafe(size)
}
