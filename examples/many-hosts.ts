// One server, several hosts, each with its own certificate. Then, in another terminal:
//   curl --cacert dev-certs/ca.pem --resolve one.test:8443:127.0.0.1 https://one.test:8443/
//   curl --cacert dev-certs/ca.pem --resolve shop.two.test:8443:127.0.0.1 https://shop.two.test:8443/
//   curl --cacert dev-certs/ca.pem https://localhost:8443/
import * as server from 'leveret'
import { developmentIdentities } from 'leveret/tls'

// A real service names its files: ssl = { default: { cert, key }, hosts: { 'example.com': { cert, key } } }
const { ssl } = developmentIdentities('dev-certs', ['localhost', 'one.test', '*.two.test'], Date.now() / 1000)

/** What each host serves, by the name that its certificate is listed for. */
const sites: Record<string, (ctx: server.Context) => server.HandlerResult> = {
  'one.test': () => 'This is one.test\n',
  '*.two.test': (ctx) => `This is ${ctx.server_name}, one of many\n`,
}

const many = server.new({ port: 8443, ssl, handle_signals: true }, (_method, _query, _args, _headers, _body, ctx) => {
  const site = sites[ctx.tls?.identity ?? '']
  return site === undefined ? 'This is the default host\n' : site(ctx)
})

await many.serve()
