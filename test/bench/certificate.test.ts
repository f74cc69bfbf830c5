import { X509Certificate, createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { makeCertificate } from '../../bench/certificate.js'

t.test('the certificate is one', async (t) => {
  const files = makeCertificate(t.testdir(), new Date(Date.UTC(2026, 10, 21, 5, 6, 7)))
  const certificate = new X509Certificate(readFileSync(files.cert))
  t.ok(certificate.checkPrivateKey(createPrivateKey(readFileSync(files.key))))
  t.ok(certificate.verify(certificate.publicKey))
  t.equal(certificate.publicKey.asymmetricKeyType, 'ec')
  t.equal(certificate.checkHost('localhost'), 'localhost')
  t.equal(certificate.validFrom, 'Nov 20 05:06:07 2026 GMT')
  t.equal(certificate.validTo, 'Nov 22 05:06:07 2026 GMT')
})
