import t from 'tap'
import { readResponses, saysClose } from '../support/responses.js'
import { seed } from '../support/seed.js'
import { serve } from '../support/serving.js'
import { virtually, type World } from '../support/virtual.js'

const hidden = 'GET /smuggled HTTP/1.1\r\nHost: t\r\n\r\n'
const post = (lines: string, body: string): string => `POST /first HTTP/1.1\r\nHost: t\r\n${lines}\r\n\r\n${body}`
const get = (lines: string): string => `GET /first HTTP/1.1\r\nHost: t\r\n${lines}\r\n\r\n${hidden}`
const TE = 'Transfer-Encoding'

/** Requests that two servers might read in two ways. All are refused, and what follows them is no request. */
const probes: Record<string, string> = {
  'CL.TE': post(`Content-Length: 6\r\n${TE}: chunked`, `0\r\n\r\n${hidden}`),
  'TE.CL': post(`${TE}: chunked\r\nContent-Length: 4`, `5c\r\n${hidden}\r\n0\r\n\r\n`),
  'CL 0 and TE': post(`Content-Length: 0\r\n${TE}: chunked`, `0\r\n\r\n${hidden}`),
  'TE.TE: identity': post(`${TE}: chunked\r\n${TE}: identity`, `0\r\n\r\n${hidden}`),
  'TE.TE: first x': post(`${TE}: x\r\n${TE}: chunked`, `0\r\n\r\n${hidden}`),
  'TE list: identity, chunked': post(`${TE}: identity, chunked`, `0\r\n\r\n${hidden}`),
  'TE list: chunked, identity': post(`${TE}: chunked, identity`, `0\r\n\r\n${hidden}`),
  'TE: xchunked': post(`${TE}: xchunked`, `0\r\n\r\n${hidden}`),
  'TE: chunked;x=y': post(`${TE}: chunked;x=y`, `0\r\n\r\n${hidden}`),
  'TE: "chunked"': post(`${TE}: "chunked"`, `0\r\n\r\n${hidden}`),
  'TE: empty': post(`${TE}:`, hidden),
  'TE: chunked NBSP': post(`${TE}: chunked\xa0,`, `0\r\n\r\n${hidden}`),
  'TE: \\x0bchunked': post(`${TE}: \x0bchunked`, `0\r\n\r\n${hidden}`),
  'TE with a no-break space': post(`${TE}: chunked\xa0`, `0\r\n\r\n${hidden}`),
  'TE space colon': post(`${TE} : chunked`, `0\r\n\r\n${hidden}`),
  'TE tab colon': post(`${TE}\t: chunked`, `0\r\n\r\n${hidden}`),
  'TE behind a fold': post(`X: y\r\n ${TE}: chunked`, `0\r\n\r\n${hidden}`),
  'TE folded value': post(`${TE}:\r\n chunked`, `0\r\n\r\n${hidden}`),
  'TE behind a bare LF': post(`X: y\n${TE}: chunked`, `0\r\n\r\n${hidden}`),
  'TE behind a bare CR': post(`X: y\r${TE}: chunked`, `0\r\n\r\n${hidden}`),
  'TE behind a NUL': post(`X: y\0\r\n${TE}: chunked`, `0\r\n\r\n${hidden}`),
  'TE: CR in the value': post(`${TE}: chun\rked`, `0\r\n\r\n${hidden}`),
  'TE in 1.0': `POST /first HTTP/1.0\r\nHost: t\r\nConnection: keep-alive\r\n${TE}: chunked\r\n\r\n0\r\n\r\n${hidden}`,
  'CL space colon': post('Content-Length : 0', hidden),
  'CL: two values': post('Content-Length: 0\r\nContent-Length: 5', hidden),
  'CL: list of two': post('Content-Length: 0, 5', hidden),
  'CL: 0x10': post('Content-Length: 0x10', hidden),
  'CL: +5': post('Content-Length: +5', hidden),
  'CL: -1': post('Content-Length: -1', hidden),
  'CL: 1e3': post('Content-Length: 1e1', hidden),
  'CL: 5.0': post('Content-Length: 5.0', hidden),
  'CL: 5 5': post('Content-Length: 5 5', hidden),
  'CL: 5;': post('Content-Length: 5;', hidden),
  'CL: "5"': post('Content-Length: "5"', hidden),
  'CL: empty': post('Content-Length:', hidden),
  'CL: ,': post('Content-Length: 5,', hidden),
  'CL: \\x0b5': post('Content-Length: \x0b5', hidden),
  'CL: 2^53': post('Content-Length: 9007199254740993', hidden),
  'CL: 2^64': post('Content-Length: 18446744073709551616', hidden),
  'CL: 2^64+5': post('Content-Length: 18446744073709551621', hidden),
  'CL: huge': post(`Content-Length: ${'9'.repeat(400)}`, hidden),
  'CL: arabic digit': post('Content-Length: \xd9\xa5', hidden),
  'chunk size 0x5': post(`${TE}: chunked`, `0x0\r\n\r\n${hidden}`),
  'chunk size -0': post(`${TE}: chunked`, `-0\r\n\r\n${hidden}`),
  'chunk size +0': post(`${TE}: chunked`, `+0\r\n\r\n${hidden}`),
  'chunk size with a space before': post(`${TE}: chunked`, ` 0\r\n\r\n${hidden}`),
  'chunk size with a space behind': post(`${TE}: chunked`, `0 \r\n\r\n${hidden}`),
  'chunk size: none': post(`${TE}: chunked`, `\r\n\r\n${hidden}`),
  'chunk size ends with LF': post(`${TE}: chunked`, `0\n\r\n${hidden}`),
  'chunk size ends with CR CR LF': post(`${TE}: chunked`, `0\r\r\n\r\n${hidden}`),
  'chunk size 2^64': post(`${TE}: chunked`, `10000000000000000\r\n${hidden}`),
  'chunk size 2^64-1': post(`${TE}: chunked`, `ffffffffffffffff\r\n${hidden}`),
  'chunk size 2^32': post(`${TE}: chunked`, `100000000\r\n${hidden}`),
  'chunk ends with LF': post(`${TE}: chunked`, `1\r\na\n0\r\n\r\n${hidden}`),
  'chunk ends with CR': post(`${TE}: chunked`, `1\r\na\r0\r\n\r\n${hidden}`),
  'chunk longer than said': post(`${TE}: chunked`, `1\r\naa\r\n0\r\n\r\n${hidden}`),
  'chunk extension with LF': post(`${TE}: chunked`, `0;a\nb\r\n\r\n${hidden}`),
  'chunk extension: a quote without an end': post(`${TE}: chunked`, `0;a="\r\n\r\n${hidden}`),
  'chunk extension without a name': post(`${TE}: chunked`, `0;=b\r\n\r\n${hidden}`),
  'chunk extension with CR': post(`${TE}: chunked`, `0;a\rb\r\n\r\n${hidden}`),
  'trailers end with LF': post(`${TE}: chunked`, `0\r\nX: y\n\n${hidden}`),
  'trailer: Content-Length': post(`${TE}: chunked`, `0\r\nContent-Length: 5\r\n\r\n${hidden}`),
  'trailer: Transfer-Encoding': post(`${TE}: chunked`, `0\r\n${TE}: chunked\r\n\r\n${hidden}`),
  'trailer: folded': post(`${TE}: chunked`, `0\r\nX: y\r\n z\r\n\r\n${hidden}`),
  'Host twice': get('Host: u'),
  'Host twice, the same': get('Host: t'),
  'Host in another case': get('HOST: u'),
  'Host space colon': get('Host : u'),
  'Host: two names': `GET /first HTTP/1.1\r\nHost: t, u\r\n\r\n${hidden}`,
  'Host: with a path': `GET /first HTTP/1.1\r\nHost: t/x\r\n\r\n${hidden}`,
  'Host: with a user': `GET /first HTTP/1.1\r\nHost: a@t\r\n\r\n${hidden}`,
  'Host: empty': `GET /first HTTP/1.1\r\nHost:\r\n\r\n${hidden}`,
  'absolute-form with a user': `GET http://a@u/first HTTP/1.1\r\nHost: t\r\n\r\n${hidden}`,
  'absolute-form without a host': `GET http:///first HTTP/1.1\r\nHost: t\r\n\r\n${hidden}`,
  'absolute-form without Host': `GET http://u/first HTTP/1.1\r\n\r\n${hidden}`,
  'another scheme': `GET gopher://u/first HTTP/1.1\r\nHost: t\r\n\r\n${hidden}`,
  'LF line ends': hidden.replaceAll('\r\n', '\n') + hidden,
  'CR line ends': hidden.replaceAll('\r\n', '\r') + hidden,
  'LF before the request': `\n${hidden}`,
  'CR before the request': `\r${hidden}`,
  'space before the request': ` ${hidden}`,
  'NUL before the request': `\0${hidden}`,
  'tab in the request line': `GET\t/first\tHTTP/1.1\r\nHost: t\r\n\r\n${hidden}`,
  'two spaces in the request line': `GET  /first HTTP/1.1\r\nHost: t\r\n\r\n${hidden}`,
  'space behind the version': `GET /first HTTP/1.1 \r\nHost: t\r\n\r\n${hidden}`,
  'HTTP/1.01': `GET /first HTTP/1.01\r\nHost: t\r\n\r\n${hidden}`,
  'http/1.1': `GET /first http/1.1\r\nHost: t\r\n\r\n${hidden}`,
  'HTTP/0.9': `GET /first\r\n${hidden}`,
  'request in a target': `GET /first HTTP/1.1 /x HTTP/1.1\r\nHost: t\r\n\r\n${hidden}`,
  'CRLF CRLF in a name': `GET /first HTTP/1.1\r\nHost: t\r\nA\r\n\r\n: b\r\n\r\n${hidden}`,
  'space line as the end of the head': `GET /first HTTP/1.1\r\nHost: t\r\n \r\n\r\n${hidden}`,
  'Content-Length behind the body\'s head': `POST /first HTTP/1.1\r\nHost: t\r\nContent-\0Length: 5\r\n\r\n${hidden}`,
}

t.test('refused with a close; what follows is never answered', async (t) => {
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

/** Odd, but with one meaning only: served, and the next request begins where this one ends. */
const sound: Record<string, string> = {
  'CL: the same twice': post('Content-Length: 4\r\nContent-Length: 4', 'body'),
  'CL: a list of the same': post('Content-Length: 4, 4', 'body'),
  'CL: leading zeros': post('Content-Length: 00004', 'body'),
  'CL: spaces around': post('Content-Length:   4\t ', 'body'),
  'TE in capitals': post(`${TE.toUpperCase()}: CHUNKED`, '4\r\nbody\r\n0\r\n\r\n'),
  'chunk sizes with zeros': post(`${TE}: chunked`, '0004\r\nbody\r\n000\r\n\r\n'),
  'chunk extensions': post(`${TE}: chunked`, '4;a=b;c="d;e"\r\nbody\r\n0;f\r\n\r\n'),
  'a trailer': post(`${TE}: chunked`, '4\r\nbody\r\n0\r\nX-Sum: 1\r\n\r\n'),
  'a body that looks like a request': post('Content-Length: 37', hidden.padEnd(37)),
  'TE: trailers is not Transfer-Encoding': post('TE: trailers, chunked\r\nContent-Length: 4', 'body'),
  'absolute-form and another Host': 'GET http://u/first HTTP/1.1\r\nHost: t\r\n\r\n',
  'a blank line before': '\r\nGET /first HTTP/1.1\r\nHost: t\r\n\r\n',
}

t.test('what is odd but clear is served, and the next request too', async (t) => {
  const { connect } = await serve(t, { connection_limit: 1000 }, (_method, query) => query)
  for (const [what, text] of Object.entries(sound)) {
    const client = await connect(text + 'GET /next HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n')
    const responses = await client.all()
    t.strictSame(responses.map(({ body }) => body.toString()), ['/first', '/next'], what)
    client.close()
  }
})

t.test('a refusal within a pipeline: the requests before it are answered', async (t) => {
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
