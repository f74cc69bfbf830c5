import { sleep, wait, waitForThreadPool, type Op } from '../../lev/index.js'
import { messageOf } from '../../lev/internal.js'
import { stateOfFiles } from '../../tls/file-state.js'
import { certificateWatchSeconds } from '../config/fixed-limits.js'
import type { Configuration } from './configuration.js'
import type { Service } from './service.js'

/**
 * Loads certificates and keys that have changed, while the setting `ssl.watch` asks for it; never ends. The files are looked at now and
 * then, since the system reports no changes over the network or behind symbolic links. They are loaded once they have stayed as they are
 * from one look to the next: a certificate and its key are not written at the same time.
 */
export function* watchCertificates(service: Service, configuration: Configuration): Op<void> {
  let seen = ''
  let loaded = ''
  let problem: string | null = null
  for (;;) {
    if (service.settings.ssl?.watch !== true) {
      yield* configuration.changed.wait()
      continue
    }
    yield* sleep(certificateWatchSeconds)
    const { ssl } = service.settings
    if (ssl?.watch !== true) continue
    const before = seen
    seen = yield* waitForThreadPool(stateOfFiles(ssl))
    // What could not be used is tried again: it may have been the time, or the system, and not the files.
    if (seen !== before || (seen === loaded && problem === null)) continue
    loaded = seen
    const { logger } = service.log
    try {
      const hosts = yield* wait(configuration.reload())
      if (hosts.length > 0) logger.info({ hosts }, 'changed certificates are in use')
      else if (problem !== null) logger.info('the files of the certificates can be used again')
      problem = null
    } catch (error) {
      const reason = messageOf(error)
      if (reason !== problem) logger.error(`changed certificates cannot be used, the former ones stay: ${reason}`)
      problem = reason
    }
  }
}
