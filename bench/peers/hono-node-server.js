import { serve } from '@hono/node-server'
import { app } from './fetch-app.js'
import { given } from './given.js'

const { task, port } = given()

serve({
  fetch: app.fetch,
  port,
  hostname: '127.0.0.1',
  overrideGlobalObjects: task === 'fetch-light',
  serverOptions: { keepAliveTimeout: 3600_000 },
})
