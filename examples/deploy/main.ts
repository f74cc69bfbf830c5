// A service to deploy: under systemd (app.service, app.socket), in a container (Dockerfile), on Kubernetes (kubernetes.yaml).
//   curl http://127.0.0.1:8080/
//   curl http://127.0.0.1:8080/health/ready
import * as server from 'leveret'
import { json, routes } from 'leveret/router'
import * as systemd from 'leveret/systemd'

const { LISTEN_FDS, PORT = '8080', PRE_DRAIN = '0', TLS_FOLDER } = process.env

const files = { cert: `${TLS_FOLDER}/tls.crt`, key: `${TLS_FOLDER}/tls.key` }
const ssl = TLS_FOLDER === undefined ? null : { default: files, watch: true }

const service = server.new({
  listen: LISTEN_FDS === undefined ? [{ ip: '0.0.0.0', port: Number(PORT) }] : 'systemd',
  ssl,
  handle_signals: true,
  pre_drain: Number(PRE_DRAIN),
  connection_limit: 1000,
  connections_per_client: 100,
}, routes({
  'GET /': () => 'hello\n',
  'GET /health/live': () => json({ status: 'ok' }),
  'GET /health/ready': () => service.ready ? json({ status: 'ok' }) : json({ status: 'unavailable' }, 503),
}))

// `systemctl reload app` loads a new certificate at once; `watch` does so within seconds.
process.on('SIGHUP', () => {
  systemd.reload(() => service.configure({ ssl })).catch((error: unknown) => console.error(error))
})

await systemd.serve(service)
