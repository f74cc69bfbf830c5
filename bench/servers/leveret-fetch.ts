import { pathToFileURL } from 'node:url'
import type { Handler } from 'leveret'
import { fromFetch, lightGlobals, type FetchApplication } from 'leveret/fetch'
import { peerFile } from '../peer.js'
import type { FetchTask } from '../tasks.js'

/** The handler that runs the application of the fetch standard which the peers run, too. */
export async function fetchHandler(task: FetchTask): Promise<Handler> {
  if (task === 'fetch-light') lightGlobals()
  const { app } = await import(pathToFileURL(peerFile('fetch-app.js')).href) as { app: { fetch: FetchApplication } }
  return fromFetch(app.fetch)
}
