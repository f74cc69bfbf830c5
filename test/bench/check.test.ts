import t from 'tap'
import { readAnswers } from '../../bench/answers.js'
import { difference, type Answers } from '../../bench/check.js'

const of = (text: string, tls = ''): Answers => ({ answers: readAnswers(text), tls })
const one = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'

t.test('answers are compared one by one', async (t) => {
  t.equal(difference(of(one + one), of(one + one)), null)
  t.match(difference(of(one + one), of(one + one.replace('hi', 'ho'))), /^answer 2: .*hi.*ho/)
  t.match(difference(of(one), of(one + one)), /1 answers against 2/)
})

t.test('what TLS agreed on is compared', async (t) => {
  t.match(difference(of(one, 'TLSv1.3 A'), of(one, 'TLSv1.2 B')), /TLSv1.3 A against TLSv1.2 B/)
})
