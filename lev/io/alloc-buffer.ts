/** Keeps what `allocBuffer` throws away from being optimized away. */
export let ballast: unknown = null

/** Smaller buffers come from Node's pool. */
const pooledBytes = 4096
/** Most elements of one ballast. */
const ballastElements = 8192

/**
 * Allocates a buffer whose bytes are not set.
 *
 * The memory of buffers is not on V8's heap. V8 counts it, but frees dead buffers late, since there is little else to collect; so
 * it believes that it grows, and marks the whole heap every 32 MiB: a third of the CPU time of an upload of 1 MB, a quarter of that
 * of a WebSocket message of 16 KB. A ballast on the heap, half as large as the buffer and dead with the next one, makes V8 collect
 * young objects sooner.
 */
export function allocBuffer(size: number): Buffer {
  if (size >= pooledBytes) ballast = new Array(Math.min(size >>> 4, ballastElements))
  return Buffer.allocUnsafe(size)
}
