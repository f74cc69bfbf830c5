import { createHash } from 'node:crypto'
import type { ResponseParts } from '../../request/handler.js'
import { pageScript } from './page-script.js'

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
details { border: 1px solid #8886; border-radius: 6px; margin: .5rem 0; padding: .5rem .75rem }
summary { cursor: pointer; overflow-wrap: anywhere }
label { display: block; margin: .75rem 0 }
input, textarea { display: block; box-sizing: border-box; width: 100%; font: inherit; padding: .3rem }
textarea, pre, code { font-family: ui-monospace, monospace; font-size: .875rem }
pre { overflow: auto; background: #8882; border-radius: 6px; padding: .5rem; margin: .25rem 0; max-height: 30rem }
pre:empty, p:empty { display: none }
p { white-space: pre-line }
.method { display: inline-block; min-width: 4.5rem }
.deprecated > summary code { text-decoration: line-through }
`

// The page has no part that depends on a request or a service, so that there is nothing in it to escape.
const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>OpenAPI</title>
<link rel="service-desc" href="openapi.json" type="application/json">
<style>${style}</style>
<main><a href="openapi.json">openapi.json</a></main>
<script>${pageScript}</script>
</html>
`

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}

/** The page that shows the document beside it. @param servers the URLs of the service: the page may send requests to these too */
export function pageResponse(servers: readonly string[]): ResponseParts {
  const policy = [
    `default-src 'none'`, `script-src ${hashOf(pageScript)}`, `style-src ${hashOf(style)}`,
    ['connect-src', `'self'`, ...new Set(servers.flatMap(originOf))].join(' '),
    `base-uri 'none'`, `form-action 'none'`, `frame-ancestors 'none'`,
  ]
  return [html, 200, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': policy.join('; '),
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-cache',
  }]
}

function originOf(url: string): string[] {
  const origin = URL.canParse(url) ? new URL(url).origin : ''
  // A host may have characters that have a meaning in a policy.
  return /^https?:\/\/[\w.:[\]-]+$/.test(origin) ? [origin] : []
}
