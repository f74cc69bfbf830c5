import t from 'tap'
import { valueOf } from '../../support/responses.js'
import { request, serve } from '../../support/serving.js'

t.test('the host in an absolute target overrides the Host field, for handlers and the log too', async (t) => {
  const { ask, log } = await serve(t, {}, (_method, query, args, headers) => JSON.stringify([query, args, headers.host]))
  const { status, body } = await ask(request('GET http://real.test:81/a?b', { Host: 'other.test' }))
  t.equal(status, 200)
  t.same(JSON.parse(body.toString()), ['/a', 'b', 'real.test:81'])
  t.equal(log.of('access')[0].vhost, 'real.test:81')
})

t.test('HEAD: a handler without content may say how much GET would send', async (t) => {
  const { ask } = await serve(t, {}, (method) => (method === 'HEAD' ? [null, 200, { 'Content-Length': 5000 }] : 'x'.repeat(5000)))
  const response = await ask(request('HEAD /'))
  t.equal(response.status, 200)
  t.equal(valueOf(response, 'content-length'), '5000')
})
