import t from 'tap'
import { responseCodings } from '../../../lib/coding/codings.js'
import { Browser, findChromium } from '../../support/chromium.js'
import { serve } from '../../support/serving.js'

const chromium = findChromium()
const text = 'All work and no play makes Jack a dull boy. '.repeat(500)

/** A page that says what it understood of a text in each coding: as a whole, and in pieces. */
const page = `<!doctype html><script>
  const names = ${JSON.stringify(responseCodings.map(({ name }) => name))}
  const get = async (path) => (await fetch(path)).text()
  Promise.all(names.flatMap((name) => [get('/whole/' + name), get('/pieces/' + name)]))
    .then((all) => fetch('/seen', { method: 'POST', body: JSON.stringify(all) }))
</script>`

t.test('Chromium understands each coding that it accepts', { skip: chromium === null ? 'Chromium is not installed' : false }, async (t) => {
  const accepted = new Set<string>()
  const urls: string[] = []
  const seen = await new Promise<string>((resolve, reject) => {
    const serving = serve(t, {}, async (method, query, _args, headers, body) => {
      if (method === 'POST') resolve(String(body))
      const [, kind, name] = query.split('/')
      if (kind !== 'whole' && kind !== 'pieces') return [page, 200, { 'Content-Type': 'text/html' }]
      for (const one of String(headers['accept-encoding']).split(/, */)) accepted.add(one)
      const coding = responseCodings.find((one) => one.name === name)
      if (coding === undefined || !accepted.has(coding.name)) return [text, 200, { 'Content-Type': 'text/plain' }]
      const marked = { 'Content-Type': 'text/plain', 'Content-Encoding': coding.name }
      urls.push(query)
      if (kind === 'whole') return [coding.compression.sync(Buffer.from(text)), 200, marked]
      const stream = coding.compression.stream()
      stream.write(text.slice(0, 9000))
      stream.flush(coding.compression.flush, () => stream.end(text.slice(9000)))
      return [stream, 200, marked]
    })
    serving.then(({ port }) => {
      const browser = new Browser(chromium ?? '', `http://localhost:${port}/`)
      t.teardown(() => browser.close())
    }, reject)
  })
  t.ok(accepted.has('gzip') && accepted.has('br'), Array.from(accepted).join())
  t.ok(urls.length >= 4)
  const texts = JSON.parse(seen) as string[]
  t.equal(texts.length, 2 * responseCodings.length)
  for (const [at, got] of texts.entries()) t.ok(got === text, `${responseCodings[at >> 1].name}, ${at % 2 === 0 ? 'whole' : 'in pieces'}`)
})
