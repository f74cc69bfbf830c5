const table = new Uint32Array(256)
for (let byte = 0; byte < 256; byte++) {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 0 ? value >>> 1 : value >>> 1 ^ 0x82f63b78
  table[byte] = value
}

/** The CRC-32C of bytes (RFC 4960 appendix B). The CRC of node:zlib is another one. */
export function crc32c(bytes: Uint8Array): number {
  let value = 0xffffffff
  for (const byte of bytes) value = value >>> 8 ^ table[(value ^ byte) & 0xff]
  return (value ^ 0xffffffff) >>> 0
}
