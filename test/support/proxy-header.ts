/** A header of the PROXY protocol, version 2: signature, version and command, family and transport, length, the rest. */
export function binaryHeader(command: number, family: number, rest: Buffer): Buffer {
  return Buffer.concat([Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'), Buffer.from([command, family, rest.length >> 8, rest.length & 0xff]), rest])
}

/** One of its extensions. */
export function tlv(type: number, value: Buffer | string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from([type, bytes.length >> 8, bytes.length & 0xff]), bytes])
}
