import t from 'tap'
import { connect as connectTo } from 'node:net'
import { once } from 'node:events'
import { SocketHolder } from '../../../../lev/internal.js'

const where = { ip: '127.0.0.1', port: 0 }

t.test('a socket may have the descriptor of one that was closed', { skip: process.platform === 'win32' }, async (t) => {
  const holder = new SocketHolder()
  t.teardown(() => holder.end())
  const [first, kept] = [await holder.hold(where), await holder.hold(where)]
  for (let count = 0; count < 3; count++) {
    first.close()
    const next = await holder.hold(where)
    t.not(next.fd, kept.fd)
    const client = connectTo(next.address.port, '127.0.0.1')
    await once(client, 'connect')
    client.destroy()
    next.close()
  }
})
