import t from 'tap'
import { parseWrk, wrkScript } from '../../bench/load.js'

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
  t.same(parseWrk(calm), { requests: 181561, seconds: 2, faults: [] })
  t.equal(parseWrk(calm.replace('2.00s', '1.50m')).seconds, 90)
  t.equal(parseWrk(calm.replace('2.00s', '250.00ms')).seconds, 0.25)
})

t.test('what went wrong is kept', async (t) => {
  const troubled = calm.replace(
    'Requests/sec',
    '  Socket errors: connect 0, read 3, write 0, timeout 12\n  Non-2xx or 3xx responses: 7\nRequests/sec',
  )
  t.same(parseWrk(troubled).faults, ['Socket errors: connect 0, read 3, write 0, timeout 12', 'Non-2xx or 3xx responses: 7'])
})

t.test('anything else is an error that shows it', async (t) => {
  t.throws(() => parseWrk('unable to connect to 127.0.0.1:1 Connection refused\n'), /Connection refused/)
  t.throws(() => parseWrk(''), /did not report/)
})

t.test('the script holds the bytes, whatever they are', async (t) => {
  t.equal(wrkScript('A"\r\n\xff\\0'), 'wrk.format = function() return "\\065\\034\\013\\010\\255\\092\\048" end\n')
})
