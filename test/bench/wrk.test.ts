import { spawnSync } from 'node:child_process'
import t from 'tap'
import { Count, CounterFile } from '../../bench/load/counter.js'
import { parseWrk, wrkScript, wrkVersion } from '../../bench/load/wrk.js'

const calm = `Running 10s test @ http://127.0.0.1:8080/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   702.33us  181.20us   5.02ms   90.14%
    Req/Sec    91.23k     2.11k   93.99k    85.00%
  181561 requests in 2.00s, 20.61MB read
Requests/sec:  90745.19
Transfer/sec:     10.30MB
`

t.test('a summary is read', async (t) => {
  t.same(parseWrk(calm), { requests: 181561, faults: [] })
  t.equal(parseWrk(calm.replace('2.00s', '1.50m')).requests, 181561)
})

t.test('what went wrong is kept', async (t) => {
  const troubled = calm.replace(
    'Requests/sec',
    '  Socket errors: connect 0, read 3, write 0, timeout 12\n  Non-2xx or 3xx responses: 7\nRequests/sec',
  )
  t.same(parseWrk(troubled).faults, ['wrk: Socket errors: connect 0, read 3, write 0, timeout 12', 'wrk: Non-2xx or 3xx responses: 7'])
})

t.test('anything else is an error that shows it', async (t) => {
  t.throws(() => parseWrk('unable to connect to 127.0.0.1:1 Connection refused\n'), /Connection refused/)
  t.throws(() => parseWrk(''), /did not report/)
})

t.test('the script names its files, whatever they are called, and the requests that are sent at once', async (t) => {
  const script = wrkScript(['/a "b"', '/c'], 16, '/d')
  t.match(script, '"\\047\\097\\032\\034\\098\\034", "\\047\\099"')
  t.match(script, '"\\047\\100"')
  t.match(script, 'count[0] + 16')
})

t.test('wrk keeps count where it can be read', { skip: wrkVersion() === null }, async (t) => {
  const { writeFileSync } = await import('node:fs')
  const folder = t.testdir({ 'a.http': 'GET / HTTP/1.1\r\nHost: a\r\n\r\n' })
  const counter = new CounterFile(`${folder}/count`)
  writeFileSync(`${folder}/a.lua`, wrkScript([`${folder}/a.http`], 3, counter.path))
  // Nothing listens there: the script is tried once all the same.
  spawnSync('wrk', ['-t1', '-c1', '-d1s', '-s', `${folder}/a.lua`, 'http://127.0.0.1:1/'])
  t.equal(counter.read() % 3, 0)
  counter.close()
})

t.test('what one process counts, another one reads', async (t) => {
  const counter = new CounterFile(`${t.testdir()}/count`)
  t.equal(counter.read(), 0)
  const count = new Count(counter.path)
  for (let index = 0; index < 1000; index++) count.add(3)
  count.write()
  t.equal(counter.read(), 3000)
  counter.close()
})
