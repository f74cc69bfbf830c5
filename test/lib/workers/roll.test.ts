import t from 'tap'
import { SteadyLoad } from '../../support/steady-load.js'
import { Running } from '../../support/workers-program.js'
import { Certificates } from '../../tls/certificates.js'

const made = new Certificates()
t.teardown(() => made.remove())

t.test('no request is lost in rolls under load: HTTP and HTTPS, kept and new connections', async (t) => {
  const ssl = JSON.stringify({ default: made.issue({ names: ['localhost'] }) })
  const running = new Running(t, `
    const listen = [{ port: 0, ssl: false }, { port: 0 }]
    await workers.run(() => server.new({ listen, ssl: ${ssl}, log_level: 'info', connection_limit: 1000 }, () => 'x'.repeat(1000)), { count: 2 })`)
  const urls = await running.urls()
  await running.workers(2)
  const loads = urls.map((url) => new SteadyLoad(url, 4, 2))
  for (const count of [4, 6]) {
    running.child.kill('SIGHUP')
    await running.workers(count)
    await running.line(/^Rolled/, running.lines.length - 1)
  }
  for (const load of loads) {
    const { done, lost, reasons } = await load.stop()
    t.equal(lost, 0, reasons.join('\n'))
    t.ok(done > 100, `${done} requests`)
  }
  running.child.kill('SIGTERM')
  t.strictSame(await running.ended, [0, null])
})
