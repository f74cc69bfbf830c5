import { generateKeyPairSync, sign } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PemFiles } from './peer.js'

/**
 * A certificate for `localhost` with a key on the curve P-256, as most that are given out today, and signed by itself. (The
 * development certificates of `leveret/tls` are RSA: signing takes so long that a handshake costs every server nearly the same.)
 */
export function makeCertificate(folder: string, now: Date): PemFiles {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const algorithm = sequence(object(ecdsaWithSha256))
  const name = sequence(der(0x31, sequence(object(commonName), der(0x0c, Buffer.from('localhost')))))
  const names = sequence(object(subjectAltName), der(0x04, sequence(der(0x82, Buffer.from('localhost')))))
  const content = sequence(
    der(0xa0, integer(2)), // version 3
    integer(1), // serial number
    algorithm,
    name, // who signs
    sequence(time(now, -1), time(now, 1)),
    name, // whose it is
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(names)),
  )
  const certificate = sequence(content, algorithm, der(0x03, Buffer.from([0]), sign('sha256', content, privateKey)))
  const base64 = certificate.toString('base64').replace(/.{64}/g, '$&\n')
  const files = { cert: join(folder, 'localhost.pem'), key: join(folder, 'localhost-key.pem') }
  writeFileSync(files.cert, `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`)
  writeFileSync(files.key, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  return files
}

const ecdsaWithSha256 = '2a8648ce3d040302'
const commonName = '550403'
const subjectAltName = '551d11'

/** A value with its tag and length (X.690 section 8.1). */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const size = content.length
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), content])
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, ...parts)
}

function object(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'))
}

function integer(value: number): Buffer {
  return der(0x02, Buffer.from([value]))
}

function time(now: Date, days: number): Buffer {
  const text = new Date(now.getTime() + days * 86_400_000).toISOString().replace(/[-:T]/g, '')
  return der(0x17, Buffer.from(`${text.slice(2, 14)}Z`))
}
