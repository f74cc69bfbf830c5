import t from 'tap'
import { readResponses } from '../../bench/responses.js'
import { difference, type Responses } from '../../bench/check.js'

const of = (text: string, tls = ''): Responses => ({ responses: readResponses(text), tls })
const one = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'

t.test('responses are compared one by one', async (t) => {
  t.equal(difference(of(one + one), of(one + one)), null)
  t.match(difference(of(one + one), of(one + one.replace('hi', 'ho'))), /^response 2: .*hi.*ho/)
  t.match(difference(of(one), of(one + one)), /1 responses against 2/)
})

t.test('what TLS agreed on is compared', async (t) => {
  t.match(difference(of(one, 'TLSv1.3 A'), of(one, 'TLSv1.2 B')), /TLSv1.3 A against TLSv1.2 B/)
})
