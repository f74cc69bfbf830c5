import { once } from 'node:events'
import { connect, createServer, Socket } from 'node:net'
import t from 'tap'
import { AddressBook } from '../../../../../lev/drivers/node/internals/address-book.js'

t.test('an address that is the same as the last is the same object; IPv4 is shown as such', async (t) => {
  const server = createServer()
  await once(server.listen(0, '::'), 'listening')
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new Error('no port')
  const sockets = [1, 2].map(() => connect(bound.port, '127.0.0.1'))
  const accepted: Socket[] = []
  while (accepted.length < 2) accepted.push(...await once(server, 'connection') as Socket[])
  const book = new AddressBook()
  const [one, other] = accepted.map((socket) => book.local(socket))
  t.strictSame(one, { ip: '127.0.0.1', port: bound.port })
  t.equal(one, other)
  t.match(book.remote(accepted[0]), { ip: '127.0.0.1' })
  for (const socket of [...sockets, ...accepted]) socket.destroy()
  server.close()
})

t.test('the address of a socket that is gone is empty', (t) => {
  const book = new AddressBook()
  t.strictSame([book.local(new Socket()), book.remote(new Socket())], [{ ip: '', port: 0 }, { ip: '', port: 0 }])
  t.end()
})
