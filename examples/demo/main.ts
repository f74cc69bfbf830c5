// The demo service: one handler, served in the clear and over TLS for several hosts. `npm start` runs it.
import { resolve } from 'node:path'
import * as server from 'leveret'
import { developmentIdentities } from 'leveret/tls'
import { greeting } from './greeting.js'
import { handle } from './service.js'

const hosts = ['localhost', 'one.test', '*.two.test']
const stopping = '\nStopping. Requests in flight are finished first; Ctrl-C again ends them.'

try {
  const port = portFrom('PORT', 8080)
  const tlsPort = portFrom('TLS_PORT', 8443)
  const { ca, ssl, made } = developmentIdentities(resolve('dev-certs'), hosts, Date.now() / 1000)
  const plain = server.new({ port, handle_signals: true }, handle)
  const secure = server.new({ port: tlsPort, ssl, handle_signals: true }, handle)
  await serveAll([plain, secure], ([http, https]) => {
    console.log(greeting({ http: http.port, https: https.port, ca, made }))
    process.once('SIGINT', () => console.log(stopping))
  })
} catch (error) {
  console.error(`leveret demo: ${explain(error)}`)
  process.exitCode = 1
}

/** Serves until all servers have stopped. When one cannot start, the others are stopped, too. */
async function serveAll(servers: server.Server[], onListening: (bound: { port: number }[]) => void): Promise<void> {
  try {
    const serving = servers.map((one) => one.serve())
    const listening = Promise.all(servers.map((one) => one.listening)).then(onListening)
    await Promise.all([...serving, listening])
  } finally {
    await Promise.allSettled(servers.map((one) => one.stop({ drain: 0 })))
  }
}

function portFrom(variable: string, fallback: number): number {
  const text = process.env[variable] ?? ''
  if (text === '') return fallback
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65535) return Number(text)
  throw new Error(`${variable} must be a number from 0 to 65535, got ${JSON.stringify(text)}`)
}

/** One line for a mistake in how the demo was started. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (!(error instanceof server.BindError)) return error.message
  return `${error.message} (the environment variables PORT and TLS_PORT choose other ports)`
}
