import net from 'node:net'
import t from 'tap'
import { request, serve } from '../../support/serving.js'
import { readResponses } from '../../support/responses.js'

t.test('a server on :: names a client of IPv4 by its IPv4 address, and one of IPv6 by its own', async (t) => {
  const { port, log } = await serve(t, { ip: '::' }, (_method, _query, _args, headers, _body, ctx) =>
    [ctx.client_ip, headers['x-client-ip'], headers['x-real-ip'], ctx.client.remote.ip, ctx.client.local.ip].join(' '))
  for (const ip of ['127.0.0.1', '::1']) {
    const { body } = await ask(ip, port)
    t.equal(body.toString(), Array<string>(5).fill(ip).join(' '))
  }
  t.strictSame(log.entries.filter(({ fields }) => fields.status === 200).map(({ fields }) => fields.client_ip), ['127.0.0.1', '::1'])
})

async function ask(host: string, port: number) {
  const pieces: Buffer[] = []
  for await (const piece of net.connect({ host, port }).end(request('GET /'))) pieces.push(piece as Buffer)
  return readResponses(Buffer.concat(pieces)).responses[0]
}
