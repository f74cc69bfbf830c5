// All that holds for applications with the platform's globals holds with light ones.
import { lightGlobals } from '../../../../lib/web/fetch/index.js'

lightGlobals()

await import('./requests.test.js')
await import('./responses.test.js')
await import('./streams.test.js')
await import('../hono/application.test.js')
await import('../hono/websocket.test.js')
await import('../crossws/crossws.test.js')
