import { chmodSync, copyFileSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { join } from 'node:path'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op } from '../../../lev/index.js'
import { certificateWatchSeconds } from '../../../lib/config/fixed-limits.js'
import { Certificates, type Issued } from '../../tls/certificates.js'
import { virtually, type World } from '../../support/virtual.js'

const made = new Certificates()
t.teardown(() => made.remove())
const one = made.issue({ names: ['one.test'] })
const two = made.issue({ names: ['two.test'] })
const three = made.issue({ names: ['three.test'] })
let folders = 0

/** A folder with the files of an identity. */
function folder(from: Issued): Issued & { path: string } {
  const path = made.path(`watched-${folders++}`)
  mkdirSync(path)
  const files = { path, cert: join(path, 'tls.crt'), key: join(path, 'tls.key') }
  put(from, files)
  return files
}

function put(from: Issued, to: Issued): void {
  copyFileSync(from.cert, to.cert)
  copyFileSync(from.key, to.key)
}

/** The common name of the certificate that clients are shown now. */
function* shown({ connect }: World): Op<string> {
  const { stream } = yield* connect()
  const context = createSecureContext()
  const { peerCertificate } = yield* stream.secure({ side: 'client', context, alpn: [], serverName: 'any.test', verify: false })
  stream.close()
  return peerCertificate?.subject.replace('CN=', '') ?? 'none'
}

/** Long enough for a change to be seen, and to have stayed as it is. */
const settled = (): Op<void> => lev.sleep(2 * certificateWatchSeconds + 1)

const told = ({ log }: World): string[] =>
  log.entries.filter(({ level }) => level !== 'debug').map(({ level, message, fields }) =>
    `${level}: ${message.replaceAll(made.folder, '')}${fields.hosts === undefined ? '' : ` ${JSON.stringify(fields.hosts)}`}`).slice(1)

/** Serves `files` by default, and others for two hosts, while `story` changes them. */
function watching(files: Issued, story: (world: World) => Op<void>, watch = true): Promise<void> {
  const { cert, key } = files
  return virtually({ ssl: { default: { cert, key }, hosts: { 'two.test': two }, watch } }, () => 'hello', function* (world) {
    t.equal(yield* shown(world), 'one.test')
    yield* story(world)
  })
}

t.test('changed files are loaded once they stay as they are', async (t) => {
  const files = folder(one)
  await watching(files, function* (world) {
    yield* settled()
    put(two, files)
    yield* lev.sleep(certificateWatchSeconds + 1)
    t.equal(yield* shown(world), 'one.test', 'not at once')
    yield* lev.sleep(certificateWatchSeconds)
    t.equal(yield* shown(world), 'two.test')
    put(three, files)
    yield* settled()
    t.equal(yield* shown(world), 'three.test')
    yield* lev.sleep(3600)
    t.strictSame(told(world), ['info: changed certificates are in use ["default"]', 'info: changed certificates are in use ["default"]'])
  })
})

t.test('files that change between the start and the first look', async (t) => {
  const files = folder(one)
  await watching(files, function* (world) {
    put(two, files)
    yield* settled()
    t.equal(yield* shown(world), 'two.test')
  })
})

t.test('secrets of Kubernetes: a symbolic link is replaced', async (t) => {
  const path = made.path('secret')
  const files = { cert: join(path, 'tls.crt'), key: join(path, 'tls.key') }
  const publish = (name: string, from: Issued): void => {
    mkdirSync(join(path, name))
    put(from, { cert: join(path, name, 'tls.crt'), key: join(path, name, 'tls.key') })
    symlinkSync(name, join(path, '..data_tmp'))
    renameSync(join(path, '..data_tmp'), join(path, '..data'))
  }
  mkdirSync(path)
  publish('..2026_01', one)
  for (const name of ['tls.crt', 'tls.key']) symlinkSync(join('..data', name), join(path, name))
  await watching(files, function* (world) {
    yield* settled()
    publish('..2026_02', two)
    rmSync(join(path, '..2026_01'), { recursive: true })
    yield* settled()
    t.equal(yield* shown(world), 'two.test')
    t.strictSame(told(world), ['info: changed certificates are in use ["default"]'])
  })
})

t.test('a certificate and its key that change one after the other', async (t) => {
  const files = folder(one)
  await watching(files, function* (world) {
    yield* settled()
    copyFileSync(two.cert, files.cert)
    yield* lev.sleep(certificateWatchSeconds - 1)
    copyFileSync(two.key, files.key)
    yield* settled()
    t.equal(yield* shown(world), 'two.test')
    t.strictSame(told(world), ['info: changed certificates are in use ["default"]'], 'soon')

    copyFileSync(three.cert, files.cert)
    yield* lev.sleep(600)
    t.equal(yield* shown(world), 'two.test')
    t.match(told(world).slice(1), [/^error: changed certificates cannot be used, the former ones stay: the default identity: .*key does not belong to/], 'once')
    copyFileSync(three.key, files.key)
    yield* settled()
    t.equal(yield* shown(world), 'three.test')
    t.strictSame(told(world).slice(2), ['info: changed certificates are in use ["default"]'])
  })
})

t.test('what cannot be used keeps the former identities, and each reason is logged once', async (t) => {
  const files = folder(one)
  await watching(files, function* (world) {
    yield* settled()
    rmSync(files.key)
    yield* lev.sleep(3600)
    writeFileSync(files.key, 'no key')
    yield* lev.sleep(3600)
    t.equal(yield* shown(world), 'one.test')
    copyFileSync(one.key, files.key)
    yield* settled()
    t.match(told(world), [
      /^error: .*: there is no such file$/, /^error: .*: it holds no private key in PEM form$/, /^info: the files of the certificates can be used again$/,
    ])
    rmSync(files.cert)
    yield* lev.sleep(60)
    copyFileSync(two.cert, files.cert)
    copyFileSync(two.key, files.key)
    yield* settled()
    t.equal(yield* shown(world), 'two.test')
    t.match(told(world).slice(3), [/^error: .*: there is no such file$/, 'info: changed certificates are in use ["default"]'])
  })
})

t.test('the same content is nothing new', async (t) => {
  const files = folder(one)
  await watching(files, function* (world) {
    yield* settled()
    utimesSync(files.cert, 1, 1)
    put(one, files)
    chmodSync(files.key, 0o640)
    yield* lev.sleep(3600)
    t.strictSame(told(world), [])
  })
})

t.test('it is turned on and off by configure', async (t) => {
  const files = folder(one)
  await watching(files, function* (world) {
    const { server } = world
    put(two, files)
    yield* lev.sleep(3600)
    t.equal(yield* shown(world), 'one.test', 'off by default')
    yield* lev.wait(server.configure({ ssl: { watch: true } }))
    put(three, files)
    yield* settled()
    t.equal(yield* shown(world), 'three.test')
    yield* lev.wait(server.configure({ ssl: { watch: false } }))
    put(two, files)
    yield* lev.sleep(3600)
    t.equal(yield* shown(world), 'three.test')
    const { cert, key } = files
    yield* lev.wait(server.configure({ ssl: null }))
    yield* lev.wait(server.configure({ ssl: { default: { cert, key }, watch: true } }))
    put(one, files)
    yield* settled()
    t.equal(yield* shown(world), 'one.test')
  }, false)
})

t.test('a call of configure meanwhile: both are done, in order', async (t) => {
  const files = folder(one)
  await watching(files, function* (world) {
    yield* settled()
    put(two, files)
    const { server } = world
    for (let calls = 0; calls < 20; calls++) {
      yield* lev.sleep(1)
      yield* lev.wait(server.configure({ max_body_size: calls }))
    }
    t.equal(yield* shown(world), 'two.test')
    rmSync(files.cert)
    yield* settled()
    yield* lev.wait(server.configure({ ssl: { default: three } }))
    t.equal(yield* shown(world), 'three.test')
    t.match(told(world), [/^error: /], 'configure has told its caller')
  })
})
