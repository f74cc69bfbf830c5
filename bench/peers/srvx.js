import { FastResponse, serve } from 'srvx'
import { app } from './fetch-app.js'
import { given } from './given.js'

const { task, port } = given()

// As its documentation says for speed.
if (task === 'fetch-light') globalThis.Response = FastResponse

serve({ fetch: app.fetch, port, hostname: '127.0.0.1', silent: true, node: { keepAliveTimeout: 3600_000 } })
