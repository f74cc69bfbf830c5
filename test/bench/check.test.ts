import t from 'tap'
import { comparable, difference, splitAnswers } from '../../bench/check.js'

const answer = (lines: string, content = 'hi'): string => `HTTP/1.1 200 OK\r\n${lines}Content-Length: ${content.length}\r\n\r\n${content}`
const of = (...texts: string[]): { texts: string[]; tls: string } => ({ texts, tls: '' })

t.test('answers are told apart by their lengths', async (t) => {
  const [one, two] = [answer('A: 1\r\n'), answer('', '\r\n\r\nx')]
  t.same(splitAnswers(one + two), [one, two])
  t.same(splitAnswers(one + two.slice(0, -1)), [one])
  t.same(splitAnswers('HTTP/1.1 200 OK\r\n'), [])
  t.throws(() => splitAnswers('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'), /without Content-Length/)
})

t.test('what may differ does not count', async (t) => {
  const node = answer('A: 1\r\nDate: Sat, 21 Nov 2026 02:34:20 GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n')
  const leveret = answer('Date: Sat, 21 Nov 2026 02:34:21 GMT\r\nA: 1\r\n')
  t.equal(comparable(node), comparable(leveret))
  t.equal(difference(of(node), of(leveret)), null)
})

t.test('everything else does', async (t) => {
  const one = answer('A: 1\r\n')
  t.match(difference(of(one), of(answer('a: 1\r\n'))), /A: 1[^]*against[^]*a: 1/)
  t.match(difference(of(one), of(answer('A: 1\r\n', 'ho'))), /hi[^]*against[^]*ho/)
  t.match(difference(of(one), of(answer('A: 1\r\nConnection: close\r\n'))), /close/)
  t.match(difference(of(one), of(one, one)), /1 answers against 2/)
  t.match(difference({ texts: [one], tls: 'TLSv1.3 A' }, { texts: [one], tls: 'TLSv1.2 B' }), /TLSv1.3 A against TLSv1.2 B/)
})
