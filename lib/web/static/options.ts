import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { asArguments, optionsOf } from '../../config/arguments.js'
import { boolean, integer, refuse, type Check } from '../../config/validators.js'
import { ArgumentError } from '../../errors.js'
import { namesOf, type ResponseHeaders } from '../../http1/response-headers.js'
import { filePath } from './path.js'

/** Options of the files of a folder; all are optional. */
export interface FilesOptions {
  /** Name of the file that stands for its folder. Default: "index.html". */
  readonly index?: string | null | undefined
  /**
   * Path, from the root, of the file to send where there is no file and the last name of the path has no dot:
   * "/index.html" for an application of a single page. Default: none, and the response is 404.
   */
  readonly fallback?: string | null | undefined
  /** Whether to send files, also in folders, whose name begins with a dot. `/.well-known/` is always sent. Default: false. */
  readonly dot_files?: boolean | null | undefined
  /**
   * Whether to send `name.br`, `name.zst` or `name.gz` in place of `name` to clients that accept br, zstd or gzip. Such a file
   * must have the same content. Default: false.
   */
  readonly precompressed?: boolean | null | undefined
  /**
   * Paths, from the root and decoded, of files that never change, such as those with a hash in their name: they are sent with
   * `Cache-Control: public, max-age=31536000, immutable`. Default: none.
   */
  readonly immutable?: RegExp | null | undefined
  /** Headers of each response that sends a file or says that it has not changed. Default: none. */
  readonly headers?: ResponseHeaders | null | undefined
  /** Bytes of small files to keep in memory; 0 for none. Default: 16777216 (16 MiB). */
  readonly cache_size?: number | null | undefined
  /** Size of the largest file to keep in memory, in bytes. Default: 131072 (128 KiB). */
  readonly cache_file_size?: number | null | undefined
}

/** The options of the files of a folder, complete and checked. */
export interface FilesRules {
  readonly index: string
  readonly fallback: string | null
  readonly dot_files: boolean
  readonly precompressed: boolean
  readonly immutable: RegExp | null
  readonly headers: ResponseHeaders
  readonly cache_size: number
  readonly cache_file_size: number
}

const fileName: Check<string> = (value, key) => {
  const isName = typeof value === 'string' && value !== '' && !value.includes('/') && filePath(`/${encodeURIComponent(value)}`, true) !== null
  return isName ? value : refuse(key, value, 'the name of a file')
}

const pathFromRoot: Check<string> = (value, key) => {
  const isPath = typeof value === 'string' && !value.endsWith('/') && filePath(value, true) === value
  return isPath ? value : refuse(key, value, 'the path of a file, such as "/index.html"')
}

const pattern: Check<RegExp> = (value, key) => value instanceof RegExp ? value : refuse(key, value, 'a RegExp')

const headers: Check<ResponseHeaders> = (value, key) => {
  try {
    if (typeof value === 'object' && value !== null && namesOf(value as ResponseHeaders).length >= 0) return value as ResponseHeaders
  } catch {
    // Refused below.
  }
  return refuse(key, value, 'an object of names and values')
}

const checks: { readonly [K in keyof FilesRules]: Check<NonNullable<FilesRules[K]>> } = {
  index: fileName,
  fallback: pathFromRoot,
  dot_files: boolean,
  precompressed: boolean,
  immutable: pattern,
  headers,
  cache_size: integer(0, 2 ** 40, 'bytes'),
  cache_file_size: integer(0, 2 ** 30, 'bytes'),
}

/** Checks the options of `files`. @throws ArgumentError naming the invalid one */
export function filesRules(options: FilesOptions | null | undefined): FilesRules {
  return asArguments(() => {
    const given = optionsOf(options ?? {}, 'options', 'an object of options', Object.keys(checks))
    const read = <K extends keyof FilesRules>(name: K, byDefault: FilesRules[K]): FilesRules[K] => {
      const value = given.get(name)
      return value === undefined ? byDefault : checks[name](value, name)
    }
    return {
      index: read('index', 'index.html'),
      fallback: read('fallback', null),
      dot_files: read('dot_files', false),
      precompressed: read('precompressed', false),
      immutable: read('immutable', null),
      headers: read('headers', {}),
      cache_size: read('cache_size', 16 * 1024 * 1024),
      cache_file_size: read('cache_file_size', 128 * 1024),
    }
  })
}

/** Checks the headers of `file`. @throws ArgumentError */
export function fileHeaders(value: ResponseHeaders | null | undefined): ResponseHeaders {
  return value === undefined || value === null ? {} : asArguments(() => headers(value, 'headers'))
}

/** An absolute path of a file or folder. @throws ArgumentError */
export function pathArgument(name: string, value: string | URL): string {
  try {
    if (typeof value === 'string' && value !== '' && !value.includes('\0')) return resolve(value)
    if (value instanceof URL) return fileURLToPath(value)
  } catch {
    // Not a file: URL.
  }
  throw new ArgumentError(name, `${name} must be a path or a file: URL`)
}

/** The absolute path of a folder. @throws ArgumentError if there is none */
export function rootFolder(value: string | URL): string {
  const root = pathArgument('root', value)
  if (statSync(root, { throwIfNoEntry: false })?.isDirectory() !== true) throw new ArgumentError('root', `root must be a folder; there is none at ${root}`)
  return root
}
