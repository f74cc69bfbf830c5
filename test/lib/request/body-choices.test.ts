import t from 'tap'
import type { Config, Handler } from '../../../lib/index.js'
import { gzipSync } from 'node:zlib'
import { request, serve } from '../../support/serving.js'

const size: Handler = function* (_method, _query, _args, _headers, _body, ctx) {
  return `${(yield* ctx.body.bytes()).length}`
}

const limits: Config = { max_body_size: (method, path, headers) => (method === 'PUT' && path === '/large' ? 100_000 : Number(headers['x-limit'] ?? 3)) }

t.test('max_body_size may be a function, asked for each request that has a body', async (t) => {
  for (const settings of [{}, { buffer_body: false }, { decode_body: true }, { decode_body: true, buffer_body: false }]) {
    const { ask, log } = await serve(t, { ...limits, ...settings }, size)
    const send = async (line: string, body: string, headers: Record<string, string> = {}): Promise<string> => {
      const response = await ask(request(line, headers, body))
      return `${response.status} ${response.body}`
    }
    const chunked = { 'Transfer-Encoding': 'chunked' }
    const refused = '413 Content Too Large: max_body_size limit violation: 4\n'
    t.equal(await send('POST /', '123'), '200 3')
    t.equal(await send('POST /', '1234'), refused)
    t.equal(await send('POST /', '3\r\n123\r\n0\r\n\r\n', chunked), '200 3')
    t.equal(await send('POST /', '4\r\n1234\r\n0\r\n\r\n', chunked), refused)
    t.equal(await send('POST /large', '1234'), refused)
    t.equal(await send('PUT /large', 'x'.repeat(100_000)), '200 100000')
    t.equal(await send('POST /', '1234', { 'X-Limit': '4' }), '200 4')
    t.equal(await send('GET /', ''), '200 0')
    if ('decode_body' in settings) {
      const packed = (text: string): string => gzipSync(text).toString('latin1')
      t.equal(await send('PUT /large', packed('x'.repeat(100_000)), { 'Content-Encoding': 'gzip' }), '200 100000')
      t.equal(await send('POST /', packed('x'.repeat(41)), { 'Content-Encoding': 'gzip', 'X-Limit': '40' }),
        '413 Content Too Large: max_body_size limit violation: 41\n')
    }
    t.strictSame(log.of('error'), [])
  }
})

t.test('what such a function gives is checked: one clear error, and a 500', async (t) => {
  const given: [setting: 'max_body_size' | 'buffer_body', result: unknown, message: string][] = [
    ['max_body_size', undefined, 'an integer from 0 to 4294967296 (bytes), got undefined'],
    ['max_body_size', '5mb', 'an integer from 0 to 4294967296 (bytes), got "5mb"'],
    ['max_body_size', -1, 'an integer from 0 to 4294967296 (bytes), got -1'],
    ['max_body_size', Infinity, 'an integer from 0 to 4294967296 (bytes), got Infinity'],
    ['buffer_body', undefined, 'true or false, got undefined'],
    ['buffer_body', 0, 'true or false, got 0'],
  ]
  for (const [setting, result, message] of given) {
    const { ask, log } = await serve(t, { [setting]: () => result }, size)
    t.equal((await ask(request('POST /', {}, 'abc'))).status, 500)
    const [line] = log.of('error')
    t.match(line, { err: { name: 'ConfigError', message: `what ${setting} gives must be ${message}` } })
    t.equal((await ask(request('GET /'))).status, 200, 'the function is not asked where there is no body')
  }
  for (const setting of ['max_body_size', 'buffer_body']) {
    const { ask, log } = await serve(t, { [setting]: async () => { throw new Error('no choice') } }, size)
    t.equal((await ask(request('POST /', {}, 'abc'))).status, 500)
    t.match(log.of('error')[0], { err: { message: /got a Promise/ } }, 'it is not waited for, and its rejection ends nothing')
    await new Promise((resolve) => setImmediate(resolve))
  }
})
