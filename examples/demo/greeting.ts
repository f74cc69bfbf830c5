export interface Started {
  readonly http: number
  readonly https: number
  /** Path of the certificate to trust. */
  readonly ca: string
  /** Whether certificates were made just now. */
  readonly made: boolean
}

/** What the terminal shows at the start. Every line that begins with `curl` works as it is printed. */
export function greeting({ http, https, ca, made }: Started): string {
  const trust = `curl --cacert ${quoted(ca)}`
  return `
Leveret is serving

  http://127.0.0.1:${http}/
  https://localhost:${https}/     for localhost, one.test and *.two.test, each with its own certificate
${made ? '\n  Certificates for development were made just now; they are used again at the next start.\n' : ''}
Worth trying in another terminal

  curl http://127.0.0.1:${http}/json
  ${trust} --resolve one.test:${https}:127.0.0.1 https://one.test:${https}/json
  ${trust} --resolve www.two.test:${https}:127.0.0.1 https://www.two.test:${https}/json
  curl --max-time 2 http://127.0.0.1:${http}/slow     # gives up after 2 s: watch this terminal

Ctrl-C stops. From here on, one line for each request:
`
}

/** A path as a shell takes it for one word. */
function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`
}
