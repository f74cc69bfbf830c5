import t from 'tap'
import * as lev from '../../../lev/index.js'
import { defaults, mergeSettings } from '../../../lib/config/settings.js'
import { ServerLog } from '../../../lib/log/logger.js'
import { Connection } from '../../../lib/server/connection.js'
import { Peer } from '../../../lib/server/peer.js'
import { Service } from '../../../lib/server/service.js'
import { tlsStep } from '../../../lib/server/tls-step.js'
import { Identities, type Identity } from '../../../tls/index.js'
import { virtual } from '../../../testing/index.js'
import { byHand } from '../../support/hand-transport.js'
import { keptLog } from '../../support/kept-log.js'

t.test('plain HTTP from a client that is gone when it is read: the step ends without an error', (t) => virtual(function* () {
  const settings = mergeSettings(defaults, { logger: keptLog() })
  const service = new Service(settings, () => 'hello', new ServerLog(settings))
  const [stream, transport] = yield* byHand()
  const connection = new Connection(service, stream, new Peer('127.0.0.1', 2), null)
  const step = lev.spawn(() => tlsStep(connection, new Identities({} as Identity)))
  yield* lev.yieldNow()
  transport.bring('GET / HTTP/1.1\r\n\r\n')
  transport.events?.onClose(new Error('read ECONNRESET'))
  t.equal(yield* step.join(), false)
}))
