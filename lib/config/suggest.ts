/** Names from other servers, which users may try first. */
const otherNames: ReadonlyMap<string, string> = new Map([
  ['host', 'ip'],
  ['hostname', 'ip'],
  ['address', 'ip'],
  ['tls', 'ssl'],
  ['https', 'ssl'],
  ['gzip', 'compression'],
  ['compress', 'compression'],
  ['level', 'log_level'],
  ['log', 'logger'],
  ['bodylimit', 'max_body_size'],
  ['maxconnections', 'connection_limit'],
  ['maxrequestspersocket', 'requests_per_connection'],
  ['headerstimeout', 'request_header_timeout'],
  ['keepalivetimeout', 'keepalive_idle_timeout'],
  ['trace', 'debug'],
  ['warning', 'warn'],
  ['fatal', 'error'],
  ['statuscode', 'status'],
  ['status', 'statusCode'],
  ['content', 'body'],
])

/**
 * The known name that `name` most likely means, or null if none is similar: another spelling of it (`maxBodySize`,
 * `MAX-BODY-SIZE`), a typo of a few letters, or another server's name for it.
 */
export function suggest(name: string, known: readonly string[]): string | null {
  const wanted = bare(name)
  if (wanted === '' || wanted.length > 64) return null
  const other = otherNames.get(wanted)
  if (other !== undefined && known.includes(other)) return other
  let best: string | null = null
  let least = Infinity
  for (const candidate of known) {
    const distance = editDistance(wanted, bare(candidate))
    if (distance < least) {
      least = distance
      best = candidate
    }
  }
  // A third of the letters may be wrong; in a short name, one letter.
  return least <= Math.max(1, Math.floor(wanted.length / 3)) ? best : null
}

function bare(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '')
}

/** Number of letters to insert, delete, replace or swap with their neighbour to turn `a` into `b`. */
export function editDistance(a: string, b: string): number {
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let least = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, before[j - 2] + 1)
      next.push(least)
    }
    before = row
    row = next
  }
  return row[b.length]
}
