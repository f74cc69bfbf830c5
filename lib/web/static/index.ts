/// <reference types="node" preserve="true" />
import type { Awaitable, Op } from '../../../lev/index.js'
import { made, makesAwaitable } from '../../../lev/internal.js'
import type { ResponseHeaders } from '../../http1/response-headers.js'
import type { Handler, ResponseParts } from '../../request/handler.js'
import { fileResponse, type FileRequest } from './file-response.js'
import { Folder } from './folder.js'
import { openFile } from './open-file.js'
import { fileHeaders, filesRules, pathArgument, rootFolder, type FilesOptions } from './options.js'
import { represent } from './representation.js'

export type { FileRequest } from './file-response.js'
export type { FilesOptions } from './options.js'

/**
 * Makes a handler for the files of a folder: GET and HEAD, with conditional requests and ranges (RFC 9110). Nothing outside of the
 * folder is sent, not even through symbolic links.
 *
 * @param root the folder: a path or a file: URL
 * @throws ArgumentError if there is no such folder, or naming an invalid option
 */
export function files(root: string | URL, options?: FilesOptions | null): Handler {
  const folder = new Folder(rootFolder(root), filesRules(options))
  return (method, query, args, headers) => folder.handle(method, query, args, { method, headers })
}

/**
 * The response that sends one file, for a handler to return: as `files` does, but of any path that the handler chooses, and from the
 * disk each time. 404 if there is no such file, 403 if it may not be read. The path must not be made from a request unchecked.
 *
 * ```ts
 * return yield* file('/srv/reports/2026.pdf', { method, headers })
 * ```
 *
 * @param path a path or a file: URL
 * @param headers of the response, in addition to those about the file
 * @throws ArgumentError for an invalid path; errors of the system, such as too many open files
 */
export function file(path: string | URL, request: FileRequest, headers?: ResponseHeaders | null): Awaitable<ResponseParts> {
  return made(responding(path, request, headers))
}

function* responding(path: string | URL, request: FileRequest, headers?: ResponseHeaders | null): Op<ResponseParts> {
  const added = fileHeaders(headers)
  const opened = yield* openFile(pathArgument('path', path), null)
  if (opened === 'forbidden') return ['Forbidden\n', 403]
  if (typeof opened === 'string') return ['Not Found\n', 404]
  return fileResponse(represent(opened.path, opened.stats, '', added), opened.handle, request)
}
makesAwaitable(responding)
