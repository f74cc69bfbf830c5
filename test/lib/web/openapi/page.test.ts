import t from 'tap'
import { z } from 'zod'
import { documentation } from '../../../../lib/web/openapi/index.js'
import { json, routes, validated, type RouteRequest } from '../../../../lib/web/router/index.js'
import { Browser, findChromium } from '../../../support/chromium.js'
import { serve } from '../../../support/serving.js'

const bad = '<img src=/stolen onerror="document.title = \'stolen\'">'

/** Waits for `condition`, then has the value of `expression`. */
const when = (condition: string, expression: string): string => `new Promise((resolve) => {
  const look = () => (${condition}) ? resolve(${expression}) : requestAnimationFrame(look)
  look()
})`

t.test('Chromium shows the page, which sends requests', { skip: findChromium() === null ? 'Chromium is not installed' : false }, async (t) => {
  const asked: string[] = []
  const note = ({ method, path, args, headers, body }: RouteRequest<unknown, unknown, unknown>): void => {
    asked.push(`${method} ${path}?${args} ${headers.authorization ?? '-'} ${JSON.stringify(body)}`)
  }
  const todo = z.object({ title: z.string().min(1), size: z.int().min(3), done: z.boolean().default(true), next: z.enum(['a', 'b']) }).meta({ id: 'Todo', description: bad })
  const { port } = await serve(t, { log_level: 'error' }, routes({
    'PUT /todos/:id/*': validated({
      summary: bad, description: bad, tags: ['todos'], security: [{ token: [] }], body: todo, responses: { 200: todo, 404: 'None.' },
      query: z.object({ q: z.string().describe(bad).optional(), all: z.array(z.string()).optional() }),
    }, (request) => {
      note(request)
      return json({ told: bad }, 200, { 'X-Told': 'yes' })
    }),
    'POST /forms': validated({ form: z.object({ name: z.string(), none: z.string().optional() }) }, (request) => {
      note(request)
      return 'taken'
    }),
    'POST /files': validated({ form: z.object({ name: z.string(), files: z.array(z.file()) }) }, async (request) => {
      asked.push(`${request.body.name} ${await request.body.files[0]?.text()}`)
      return 'taken'
    }),
    'GET /plain': (request) => {
      note(request)
      return 'plain text'
    },
    ...documentation({
      info: { title: bad, version: '1.0.0', description: bad },
      tags: [{ name: 'todos', description: bad }, { name: 'unused' }],
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    }),
  }))
  const browser = new Browser(findChromium() ?? '', 'about:blank')
  t.teardown(() => browser.close())
  await browser.open(`http://127.0.0.1:${port}/docs`)

  const page = await browser.evaluate(when(`document.documentElement?.dataset.state === 'ready'`, `({
    title: document.title, heading: document.querySelector('h1').textContent, images: document.images.length,
    parts: Array.from(document.querySelectorAll('h2, summary'), (one) => one.textContent.trim()),
    type: document.querySelector('main > details:last-of-type pre').textContent,
    body: document.querySelector('[name=body]').value,
  })`))
  t.match(page, {
    title: bad, heading: `${bad} 1.0.0`, images: 0,
    parts: ['todos', `PUT /todos/{id}/{*} ${bad}`, 'Operations', 'POST /forms', 'POST /files', 'GET /plain', 'Schemas', 'Problem', 'Todo', 'TodoInput', 'ValidationProblem'],
    body: JSON.stringify({ title: '', size: 3, done: true, next: 'a' }, null, 2),
  })
  t.match(await browser.evaluate(`Array.from(document.querySelectorAll('main > details'), (one) => one.querySelector('summary').textContent === 'TodoInput' ? one.querySelector('pre').textContent : []).flat()[0]`),
    '{\n  title: string, minLength 1\n  size: integer, minimum 3\n  done?: boolean, default true\n  next: "a" | "b"\n}')

  const told = await browser.evaluate(`{
    const box = document.getElementById('putTodosByIdRest')
    const type = (name, value) => { box.querySelector('[name="' + name + '"]').value = value }
    type('id', 'a/b ?')
    type('*', 'c/d e')
    type('q', '&x')
    type('all', '1\\n2')
    type('body', '{"title":"x","size":4,"next":"b"}')
    const token = document.querySelector('main > label input')
    token.value = 'secret'
    token.dispatchEvent(new Event('input'))
    box.querySelector('button').click()
    ${when(`/^[0-9]/.test(box.querySelector('.result').textContent)`, `box.querySelector('.result').textContent`)}
  }`)
  t.match(told, /^200 OK\n.*x-told: yes\n\n\{\n {2}"told": "<img src/s)
  await browser.evaluate(`document.querySelector('#getPlain button').click()`)
  t.match(await browser.evaluate(when(`/^[0-9]/.test(document.querySelector('#getPlain .result').textContent)`, `document.querySelector('#getPlain .result').textContent`)), /\nplain text$/)
  const taken = (id: string): string => when(`document.querySelector('#${id} .result').textContent.endsWith('taken')`, 'true')
  await browser.evaluate(`{
    document.querySelector('#postForms [name=name]').value = 'a&b'
    document.querySelector('#postForms button').click()
    ${taken('postForms')}
  }`)
  await browser.evaluate(`{
    document.querySelector('#postFiles [name=name]').value = 'c'
    const transfer = new DataTransfer()
    for (const text of ['one', 'two']) transfer.items.add(new File([text], text + '.txt'))
    document.querySelector('#postFiles [name=files]').files = transfer.files
    document.querySelector('#postFiles button').click()
    ${taken('postFiles')}
  }`)
  t.strictSame(asked, [
    'PUT /todos/a%2Fb%20%3F/c/d%20e?q=%26x&all=1&all=2 Bearer secret {"title":"x","size":4,"done":true,"next":"b"}',
    'GET /plain? - null',
    'POST /forms? - {"name":"a&b"}',
    'c one',
  ])
  const loaded = await browser.evaluate(`performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname.split('/')[1])`) as string[]
  t.strictSame([...new Set(loaded)].sort(), ['files', 'forms', 'openapi.json', 'plain', 'todos'])
})
