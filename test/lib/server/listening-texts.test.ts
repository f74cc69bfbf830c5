import { networkInterfaces } from 'node:os'
import t from 'tap'
import { listeningTexts } from '../../../lib/server/listening-texts.js'

t.test('what the log says of a bound address', (t) => {
  t.strictSame(listeningTexts({ ip: '127.0.0.1', port: 8080 }, false), ['http://127.0.0.1:8080'])
  t.strictSame(listeningTexts({ ip: '::1', port: 8443 }, true), ['https://[::1]:8443'])
  t.strictSame(listeningTexts({ ip: '', port: 0, path: '/run/one.sock' }, false), ['unix:/run/one.sock'])
  t.strictSame(listeningTexts({ ip: '', port: 0, path: '' }, false), ['an inherited Unix socket'])
  const addresses = Object.values(networkInterfaces()).flatMap((interfaces) => interfaces ?? [])
  const four = addresses.filter(({ family }) => family === 'IPv4').map(({ address }) => `http://${address}:80`)
  t.strictSame(listeningTexts({ ip: '0.0.0.0', port: 80 }, false), four.length > 0 ? four : ['http://0.0.0.0:80'])
  t.end()
})
