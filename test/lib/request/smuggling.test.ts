import t from 'tap'
import { readResponses, saysClose } from '../../support/responses.js'
import { seed } from '../../support/seed.js'
import { serve } from '../../support/serving.js'
import { virtually, type World } from '../../support/virtual.js'
import { hidden, post, probes, sound, TE } from './smuggling-probes.js'

t.test('rejected with a close; what follows is never answered', async (t) => {
  const calls: string[] = []
  const { connect } = await serve(t, { connection_limit: 1000 }, (_method, query) => {
    calls.push(query)
    return query
  })
  for (const [what, text] of Object.entries(probes)) {
    const client = await connect(text + hidden)
    const responses = await client.all()
    t.equal(responses.length, 1, what)
    const { status, body } = responses[0]
    t.ok([400, 413, 501, 505].includes(status), `${what}: ${status} ${body.toString().trim()}`)
    t.ok(saysClose(responses[0]), what)
    client.close()
  }
  t.strictSame(calls, [], 'no handler was called, for none of them')
})

t.test('lists with empty members are read, and are the last of their connection', async (t) => {
  const calls: string[] = []
  const { connect } = await serve(t, {}, (_method, query, _args, _headers, body) => {
    calls.push(query)
    return body
  })
  const fields = [`${TE}: ,chunked`, `${TE}: chunked,`, `${TE}: , ,chunked ,`, `${TE}: chunked\r\nExpect: 100-continue,`]
  for (const field of fields) {
    const client = await connect(post(field, `4\r\nbody\r\n0\r\n\r\n${hidden}`))
    const responses = await client.all()
    t.strictSame(responses.filter(({ status }) => status !== 100).map(({ status, body }) => [status, body.toString()]), [[200, 'body']], field)
    t.ok(saysClose(responses[responses.length - 1]), field)
    client.close()
  }
  t.strictSame(calls, fields.map(() => '/first'))
})

t.test('in pieces of any size the same', async (t) => {
  for (const segment of [1, 3, 17]) {
    let calls = 0
    await virtually({ connection_limit: 1000 }, () => `${++calls}`, function* ({ connect }: World) {
      for (const [what, text] of Object.entries(probes)) {
        const client = yield* connect(text + hidden)
        const { responses } = yield* client.all()
        t.equal(responses.length, 1, `${what}; pieces of up to ${segment}, seed ${seed}`)
        t.ok(responses[0].status >= 400 && responses[0].status !== 408, `${what}: ${responses[0].status}`)
        client.stream.close()
      }
    }, { segment })
    t.equal(calls, 0)
  }
})

t.test('what is odd but clear is served, and the next request too', async (t) => {
  const { connect } = await serve(t, { connection_limit: 1000 }, (_method, query) => query)
  for (const [what, text] of Object.entries(sound)) {
    const client = await connect(text + 'GET /next HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n')
    const responses = await client.all()
    t.strictSame(responses.map(({ body }) => body.toString()), ['/first', '/next'], what)
    client.close()
  }
})

t.test('a rejection within a pipeline: the requests before it are answered', async (t) => {
  const { connect } = await serve(t, { connection_limit: 1000 }, (_method, query) => query)
  const good = 'GET /good HTTP/1.1\r\nHost: t\r\n\r\n'
  for (const [what, text] of Object.entries(probes)) {
    const client = await connect(good + good + text + hidden)
    await client.over
    const { responses, fault } = readResponses(client.received, [], true)
    t.equal(fault, null, what)
    t.strictSame(responses.slice(0, 2).map(({ status }) => status), [200, 200], what)
    t.equal(responses.length, 3, what)
    t.notMatch(client.text, '/smuggled')
    client.close()
  }
})
