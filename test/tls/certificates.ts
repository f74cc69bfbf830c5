import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type KeyKind = 'rsa' | 'p256' | 'p384' | 'p521' | 'ed25519' | 'secp256k1' | 'rsa1024' | 'dsa'

const KEY_ARGUMENTS: Record<KeyKind, string[]> = {
  rsa: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  rsa1024: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'],
  p256: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  p384: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  p521: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-521'],
  secp256k1: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:secp256k1'],
  ed25519: ['-algorithm', 'ED25519'],
  dsa: [],
}

export interface Issued {
  /** Paths of PEM files. */
  cert: string
  key: string
}

export interface IssueOptions {
  /** DNS names, or IP addresses written `IP:...`; the first is the common name too. */
  names: string[]
  kind?: KeyKind
  /** Who signs; without it the certificate is self-signed. */
  by?: Issued
  ca?: boolean
  /** Validity as offsets from now, in days. */
  from?: number
  to?: number
  usage?: 'serverAuth' | 'clientAuth'
  /** More lines of extensions. */
  extra?: string[]
  /** No alternative names: the common name alone. */
  bare?: boolean
}

/** The time form of `openssl ca`. */
function opensslTime(days: number): string {
  const at = new Date(Date.now() + days * 86_400_000)
  return at.toISOString().replace(/[-:T]|\.\d+/g, '')
}

/** Makes keys and certificates with the openssl program in a temporary folder. */
export class Certificates {
  readonly folder = mkdtempSync(join(tmpdir(), 'leveret-tls-'))
  #count = 0

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  openssl(...args: string[]): Buffer {
    return execFileSync('openssl', args, { cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'] })
  }

  write(name: string, content: string | Buffer): string {
    const path = this.path(name)
    writeFileSync(path, content)
    return path
  }

  /** One file with the text of several: a chain. */
  joined(name: string, ...paths: string[]): string {
    return this.write(name, paths.map((path) => readFileSync(path, 'latin1')).join(''))
  }

  key(kind: KeyKind): string {
    const path = this.path(`${kind}-${++this.#count}.key`)
    if (kind === 'dsa') {
      const parameters = `${path}.parameters`
      const size = ['-pkeyopt', 'dsa_paramgen_bits:1024']
      this.openssl('genpkey', '-genparam', '-algorithm', 'DSA', ...size, '-out', parameters)
      this.openssl('genpkey', '-paramfile', parameters, '-out', path)
    } else {
      this.openssl('genpkey', ...KEY_ARGUMENTS[kind], '-out', path)
    }
    return path
  }

  encrypted(key: string, passphrase: string): string {
    const path = `${key}.encrypted`
    this.openssl('pkey', '-in', key, '-aes256', '-passout', `pass:${passphrase}`, '-out', path)
    return path
  }

  issue(options: IssueOptions): Issued {
    const { names, kind = 'p256', by, ca = false, from = -1, to = 30, usage = 'serverAuth' } = options
    const { extra = [], bare = false } = options
    const key = this.key(kind)
    const base = this.path(`${this.#count}-${names[0]?.replaceAll(/[^a-z0-9]/gi, '_') ?? 'nameless'}`)
    const cert = `${base}.crt`
    mkdirSync(base)
    writeFileSync(join(base, 'index'), '')
    const alt = names.map((name) => (name.startsWith('IP:') ? name : `DNS:${name}`)).join(',')
    const extensions = ca
      ? ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign']
      : ['basicConstraints=CA:FALSE', `extendedKeyUsage=${usage}`, ...(bare ? [] : [`subjectAltName=${alt}`]), ...extra]
    writeFileSync(join(base, 'config'), [
      '[ca]', 'default_ca=one', '[one]', `database=${base}/index`, `new_certs_dir=${base}`, 'policy=any',
      `default_md=${kind === 'ed25519' && by === undefined ? 'null' : 'sha256'}`,
      'rand_serial=yes', 'unique_subject=no',
      '[any]', 'commonName=optional', '[request]', 'distinguished_name=name', '[name]',
      '[extensions]', 'subjectKeyIdentifier=hash', ...extensions, '',
    ].join('\n'))
    const subject = ['-subj', `/CN=${(names[0] ?? '').replace('IP:', '')}`]
    const config = ['-config', `${base}/config`]
    this.openssl('req', '-new', '-key', key, ...subject, ...config, '-section', 'request', '-out', `${base}.csr`)
    const signer = by === undefined ? ['-selfsign', '-keyfile', key] : ['-cert', by.cert, '-keyfile', by.key]
    this.openssl(
      'ca', '-batch', '-notext', ...config, '-extensions', 'extensions', ...signer,
      ...(by !== undefined && /ed25519/.test(by.key) ? ['-md', 'null'] : []),
      '-startdate', opensslTime(from), '-enddate', opensslTime(to), '-in', `${base}.csr`, '-out', cert,
    )
    return { cert, key }
  }

  /** A PKCS#12 file of a key, its certificate and perhaps its chain. */
  pfx(issued: Issued, passphrase: string, ...args: string[]): string {
    const path = this.path(`${++this.#count}.p12`)
    const from = ['-inkey', issued.key, '-in', issued.cert, '-passout', `pass:${passphrase}`]
    this.openssl('pkcs12', '-export', ...from, ...args, '-out', path)
    return path
  }
}
