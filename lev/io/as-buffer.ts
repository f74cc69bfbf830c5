/** The same bytes as a Buffer, without a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Text as UTF-8; bytes unchanged, without a copy. */
export function bytesOf(data: string | Uint8Array): Buffer {
  return typeof data === 'string' ? Buffer.from(data) : asBuffer(data)
}

/** Converts data for `put`: ASCII stays text, which joins other text at no cost; other text becomes UTF-8; bytes are not copied. */
export function sendable(data: string | Uint8Array): Buffer | string {
  if (typeof data !== 'string') return asBuffer(data)
  return Buffer.byteLength(data) === data.length ? data : Buffer.from(data)
}
