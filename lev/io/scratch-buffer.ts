/**
 * Allocates a scratch buffer: memory that one module uses over and over for bytes that it needs only for a moment, because a new
 * buffer each time costs more than the work itself.
 *
 * The rule: its bytes are valid until the function that wrote them returns. They are never kept, and never used across a
 * suspension, in which another task may write others; what is needed for longer is copied.
 *
 * @param size in bytes
 */
export function scratchBuffer(size: number): Buffer {
  // Outside of the pool of Node.js: it has an ArrayBuffer of its own.
  return Buffer.allocUnsafeSlow(size)
}
