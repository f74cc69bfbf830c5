import { randomUUID } from 'node:crypto'

/**
 * Encodes a form as multipart/form-data (RFC 7578), by the rules of WHATWG. The result is a Blob, so that files are read only
 * while they are sent; its type contains the boundary.
 */
export function multipart(form: FormData): Blob {
  const boundary = `leveret-${randomUUID()}`
  const parts: (string | Blob)[] = []
  for (const [name, value] of form) {
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${escaped(lines(name))}"`
    if (typeof value === 'string') parts.push(`${head}\r\n\r\n${lines(value)}\r\n`)
    else parts.push(`${head}; filename="${escaped(value.name)}"\r\nContent-Type: ${value.type || 'application/octet-stream'}\r\n\r\n`, value, '\r\n')
  }
  parts.push(`--${boundary}--\r\n`)
  return new Blob(parts, { type: `multipart/form-data; boundary=${boundary}` })
}

/** Normalizes line ends to CRLF, as forms require. */
function lines(text: string): string {
  return text.replace(/\r\n|\r|\n/g, '\r\n')
}

function escaped(text: string): string {
  return text.replaceAll('\n', '%0A').replaceAll('\r', '%0D').replaceAll('"', '%22')
}
