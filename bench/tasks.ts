/** What a server's handler does, the same in each server. `servers/` and `peers/` hold the programs. */
export const tasks = [
  /** Responds with 14 bytes of text. */
  'hello',
  /** As `hello`, on connections that some requests ask to close. */
  'close',
  /** Responds with text made from the target and two of the request's headers. */
  'headers',
  /** Responds with `item.json`, made from an object each time. */
  'json',
  /** Responds with the request's body. */
  'echo',
  /** `hello` for GET, `echo` for POST. */
  'mix',
  /** Responds with the file that the path names, `text-20k.txt` or `bytes-10m.bin`, by what the server has for the files of a folder. */
  'file',
  /** Responds with the text of `text-20k.txt`, compressed by gzip. */
  'gzip',
  /** Responds with 100 pieces of text, one after another, their length together unknown. */
  'stream',
  /** Responds with the bytes of `bytes-10m.bin`. */
  'download',
  /** Responds with the text of `text-1m.txt`. */
  'text',
  /** Reads the request's body piece by piece and responds with how many bytes it had. */
  'upload',
  /** Runs an application of the fetch standard, the same in all servers; the global `Request` and `Response` are the platform's. */
  'fetch',
  /** As `fetch`, with what the server offers in place of these globals, for speed. */
  'fetch-light',
  /** Sends back each message of a WebSocket. */
  'websocket',
  /** The to-do service, with a hundred to-dos at the start. */
  'todo',
] as const
export type TaskName = (typeof tasks)[number]
/** What only servers of fetch applications do. */
export type FetchTask = 'fetch' | 'fetch-light'
/** What a handler of the server's own kind does. */
export type HandlerTask = Exclude<TaskName, FetchTask | 'todo'>

export function isFetchTask(task: TaskName): task is FetchTask {
  return task === 'fetch' || task === 'fetch-light'
}

/** A session of the to-do service. */
export const todoToken = 'bench'

/** The to-dos that it has at the start. */
export const todos = Array.from({ length: 100 }, (_, index) => ({ title: `to do ${index + 1}`, done: index % 2 === 0 }))

/** The pieces of `stream`. */
export const pieces = 100

export function piece(index: number): string {
  return `piece ${index} of a response that comes in pieces, one line each of them\n`
}

/** zlib's level for `gzip`: the one that Leveret has, so that all have the same to do. */
export const gzipLevel = 4
