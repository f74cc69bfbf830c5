/** The text of content as the platform decodes it: without a byte order mark, and without half surrogates. */
export function textOf(content: Buffer | string): string {
  const text = (typeof content === 'string' ? Buffer.from(content) : content).toString()
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
}

/** A copy of content in memory of its own. */
export function arrayBufferOf(content: Buffer | string): ArrayBuffer {
  return new Uint8Array(typeof content === 'string' ? Buffer.from(content) : content).buffer
}
