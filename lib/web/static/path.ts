import { sep } from 'node:path'

/** A path of names that need no decoding, none of which begins with a dot: most paths are. */
const PLAIN = /^(?:\/[\w~@!+-][\w.~@!+-]*)+\/?$/

/** Characters that no name of a file may have here: separators of any system, NUL, and on Windows the colon of drives and streams. */
const FORBIDDEN = sep === '\\' ? /[/\\\0:]/ : /[/\\\0]/

/**
 * The path of a file within its folder, decoded and with slashes, for the path of a request; it ends with a slash if the request's
 * does. Null: no file has this path. That is so for `.` and `..`, also encoded, for empty names, separators and NUL in a name,
 * percent-encoding that is not UTF-8, and for names that begin with a dot unless `dotFiles`, besides `/.well-known/` (RFC 8615).
 *
 * @param query the path as sent
 */
export function filePath(query: string, dotFiles: boolean): string | null {
  if (query === '/' || PLAIN.test(query)) return query
  if (!query.startsWith('/')) return null
  const names: string[] = []
  const encoded = query.split('/')
  for (let at = 1; at < encoded.length; at++) {
    const name = decoded(encoded[at])
    const isLast = at === encoded.length - 1
    if (name === null || (name === '' && !isLast) || !isAllowed(name, at === 1 && !isLast, dotFiles)) return null
    names.push(name)
  }
  return `/${names.join('/')}`
}

function isAllowed(name: string, isTopFolder: boolean, dotFiles: boolean): boolean {
  if (FORBIDDEN.test(name) || name === '.' || name === '..') return false
  return dotFiles || !name.startsWith('.') || (isTopFolder && name === '.well-known')
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}
