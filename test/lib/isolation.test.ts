import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import t from 'tap'
import { developmentIdentities } from '../../tls/index.js'
import { serve } from '../support/serving.js'

// On one connection after the other, as a victim's POST and then a stranger's GET.
t.test('a request over TLS is served once, and to its own client', async (t) => {
  const { ca, ssl } = developmentIdentities(t.testdir(), ['localhost'], Date.now() / 1000)
  const seen: string[] = []
  const { port } = await serve(t, { ssl, connection_limit: 100 }, (method, query, _args, _headers, body) => {
    seen.push(`${method} ${query} ${body?.length ?? 0}`)
    return `${method} ${query} ${body?.toString() ?? ''}`
  })
  const ask = (method: string, path: string, body: string): Promise<string> => new Promise((resolve, reject) => {
    const asking = request({ port, host: '127.0.0.1', servername: 'localhost', ca: readFileSync(ca), method, path, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => { text += part }).on('end', () => resolve(text))
    })
    asking.on('error', reject)
    asking.end(body)
  })
  for (let n = 0; n < 20; n++) {
    const secret = `${n}`.repeat(300 + n)
    t.equal(await ask('POST', `/transfer/${n}`, secret), `POST /transfer/${n} ${secret}`)
    t.equal(await ask('GET', `/hello/${n}`, ''), `GET /hello/${n} `)
  }
  const many = Array.from({ length: 30 }, (_, n) => ask('POST', `/many/${n}`, String.fromCharCode(97 + n % 26).repeat(1000 * n + 1)))
  for (const [n, text] of (await Promise.all(many)).entries()) {
    t.equal(text, `POST /many/${n} ${String.fromCharCode(97 + n % 26).repeat(1000 * n + 1)}`)
  }
  t.equal(seen.length, 70)
  t.equal(new Set(seen).size, 70)
})
