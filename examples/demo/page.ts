import { createHash } from 'node:crypto'
import type { HandlerResult } from 'leveret'
import { html, Html } from './html.js'
import { style } from './style.js'

/** A request as a handler sees it. */
export interface SeenRequest {
  readonly method: string
  readonly query: string
  readonly args: string
  readonly headers: Readonly<Record<string, string | undefined>>
  /** Bytes, or null without a body. */
  readonly body: number | null
  readonly client_ip: string
  readonly count: number
  readonly server_name: string | null
  readonly tls: { readonly protocol: string; readonly cipher: string; readonly identity: string } | null
}

const icon = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><path fill='%2393501b' " +
  "d='M5 1c2 0 2.5 4 2.7 6h.6C8.5 5 9 1 11 1c1.5 0 1.3 4 0 6.5A4.5 4.5 0 1 1 5 7.5C3.7 5 3.5 1 5 1z'/></svg>"

// The page may use its own style and icon, and nothing else.
const styleHash = createHash('sha256').update(style).digest('base64')
const pageHeaders = {
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Security-Policy': [
    "default-src 'none'", `style-src 'sha256-${styleHash}'`, 'img-src data:', "form-action 'self'", "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-store',
}

export function requestPage(request: SeenRequest): HandlerResult {
  const { method, query, args, tls } = request
  return page('Leveret', html`
<header>
  <h1>Leveret is serving</h1>
  <p>This is your request as the handler saw it. Reload, and the count goes up while the connection is kept alive.</p>
</header>
<section>
  <p class="request"><b>${method}</b> ${query}${args === '' ? '' : html`<i>?</i>${args}`}</p>
  <dl>
    ${fact('method', method)}
    ${fact('query', query)}
    ${fact('args', args === '' ? null : args)}
    ${fact('body', request.body === null ? null : `${request.body} bytes`)}
    ${fact('client_ip', request.client_ip)}
    ${fact('count', request.count)}
    ${fact('TLS', tls === null ? null : tls.protocol)}
    ${fact('server_name', request.server_name)}
    ${tls === null ? '' : html`${fact('identity', tls.identity)}${fact('cipher', tls.cipher)}`}
  </dl>
</section>
<section>
  <h2>More to see</h2>
  <ul>
    ${link('/json', 'This request as JSON')}
    ${link('/slow', 'A coroutine that takes 5 seconds. Leave before, and watch the terminal')}
    ${link('/text', 'Long text, compressed on its way')}
    ${link('/?name=value&tag=%3Cb%3E', 'This page with arguments, shown as sent')}
    ${link('/broken', 'A handler that throws: a 500 here, its stack in the terminal')}
    <li><form method="post" action="/echo" enctype="text/plain"><button name="hello" value="leveret">
      <code>POST /echo</code><small>Sends the body back</small></button></form></li>
  </ul>
</section>
<section>
  <h2>Headers</h2>
  <table>${Object.entries(request.headers).map(([name, value]) => row(name, value ?? ''))}</table>
</section>
<footer><p>Also over TLS, for several hosts: the terminal shows the commands.</p></footer>`)
}

export function notFoundPage(query: string): HandlerResult {
  return page('Not found', html`
<header>
  <h1>Not found</h1>
  <p>Nothing is served at <code>${query}</code>.</p>
</header>
<ul>${link('/', 'What is served')}</ul>`, 404)
}

function page(title: string, content: Html, status = 200): HandlerResult {
  const whole = html`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="${icon}">
<style>${new Html(style)}</style>
${content}
</html>
`
  return [whole.text, status, pageHeaders]
}

function fact(name: string, value: string | number | null): Html {
  return html`<div><dt>${name}</dt>${value === null ? html`<dd class="none">none</dd>` : html`<dd>${value}</dd>`}</div>`
}

function row(name: string, value: string): Html {
  return html`<tr><th scope="row">${name}</th><td>${value}</td></tr>`
}

function link(path: string, what: string): Html {
  return html`<li><a href="${path}"><code>${path}</code><small>${what}</small></a></li>`
}
