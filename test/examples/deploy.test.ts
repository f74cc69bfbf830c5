import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parseAllDocuments } from 'yaml'
import { defaults } from '../../lib/config/settings.js'
import { curl } from '../support/curl.js'
import { notifySocket } from '../support/notify-socket.js'
import { eventually } from '../support/serving.js'
import { Certificates } from '../tls/certificates.js'
import { built, Program } from './program.js'

// The files of examples/deploy, against the tools that read them and against the program that they are about.

const made = new Certificates()
t.teardown(() => made.remove())

const program = built('examples/deploy/main.js')

function source(name: string): string {
  return readFileSync(built(`../examples/deploy/${name}`), 'utf8')
}

function folderOf(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'leveret-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

/** Puts a new certificate of `localhost` into a folder, as `tls.crt` and `tls.key`. */
function renew(folder: string): void {
  const { cert, key } = made.issue({ names: ['localhost'] })
  for (const [from, name] of [[cert, 'tls.crt'], [key, 'tls.key']] as const) {
    copyFileSync(from, join(folder, `${name}.new`))
    renameSync(join(folder, `${name}.new`), join(folder, name))
  }
}

function has(command: string): boolean {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0
}

const systemd = { skip: ['systemd-analyze', 'systemd-socket-activate', 'systemd-notify'].every(has) ? false : 'there is no systemd' }

/** The values of a key in a unit. */
function valuesOf(unit: string, key: string): string[] {
  return Array.from(unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm')), ([, value = '']) => value)
}

t.test('systemd takes the units without a complaint, and calls the service well protected', systemd, async (t) => {
  const folder = folderOf(t)
  writeFileSync(join(folder, 'app.socket'), source('app.socket'))
  writeFileSync(join(folder, 'app.service'), source('app.service').replaceAll('/usr/bin/node', process.execPath))
  const units = ['app.service', 'app.socket'].map((name) => join(folder, name))
  const { stderr, status } = spawnSync('systemd-analyze', ['verify', '--man=no', ...units], { encoding: 'utf8' })
  t.equal(stderr, '')
  t.equal(status, 0)
  const told = spawnSync('systemd-analyze', ['security', '--offline=true', '--threshold=20', join(folder, 'app.service')], { encoding: 'utf8' })
  t.equal(told.status, 0, told.stdout.slice(-100))
})

t.test('the program does what its unit says', systemd, async (t) => {
  const unit = source('app.service')
  t.strictSame(valuesOf(unit, 'ExecStart'), ['/usr/bin/node /srv/app/main.js'], 'node itself gets the sockets')
  t.ok(Number(valuesOf(unit, 'TimeoutStopSec')[0]) > defaults.pre_drain + defaults.drain)
  const [, signal = ''] = /^\/bin\/kill -(\w+) \$MAINPID$/.exec(valuesOf(unit, 'ExecReload')[0] ?? '') ?? []
  const socket = await notifySocket(t)
  const folder = folderOf(t)
  renew(folder)
  t.ok(valuesOf(unit, 'Environment').some((value) => value.startsWith('TLS_FOLDER=/')))
  t.strictSame(valuesOf(unit, 'LoadCredential'), [], 'which a reload would not read again')

  const env = { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '1000000000', TLS_FOLDER: folder }
  const passed = ['LEVERET_PORTABLE', ...Object.keys(env)].filter((name) => name in { ...process.env, ...env }).flatMap((name) => ['-E', name])
  const path = join(folder, 'app.sock')
  const child = spawn('systemd-socket-activate', ['-l', path, ...passed, process.execPath, program], { env: { ...process.env, ...env }, stdio: 'ignore' })
  const ended = once(child, 'exit')
  t.teardown(() => child.kill('SIGKILL'))
  await eventually(() => existsSync(path), 'the socket is there')
  const get = async (): Promise<string> =>
    (await curl(['--cacert', join(folder, 'tls.crt'), '--unix-socket', path, 'https://localhost/health/ready'])).text
  t.equal(await get(), '{"status":"ok"}')
  t.match((await socket.next()).state, { READY: '1' })

  renew(folder)
  child.kill(`SIG${signal}` as NodeJS.Signals)
  t.match((await socket.next()).state, { RELOADING: '1' })
  t.match((await socket.next()).state, { READY: '1' })
  t.equal(await get(), '{"status":"ok"}', 'with the new certificate')

  child.kill('SIGTERM')
  t.match((await socket.next()).state, { STOPPING: '1' })
  t.strictSame(await ended, [0, null])
})

/** The instructions of a Dockerfile, without comments, each with its arguments. */
function instructionsOf(text: string): [name: string, rest: string][] {
  const lines = text.replaceAll(/^#.*\n/gm, '').replaceAll(/\\\n\s*/g, '').split('\n')
  return lines.filter((line) => line !== '').map((line) => [line.split(' ', 1)[0], line.slice(line.indexOf(' ') + 1)])
}

const known = new Set(['FROM', 'WORKDIR', 'COPY', 'RUN', 'ENV', 'USER', 'EXPOSE', 'STOPSIGNAL', 'CMD', 'HEALTHCHECK'])

t.test('the Dockerfile: what it starts, how that is stopped, and its check of health', async (t) => {
  const all = instructionsOf(source('Dockerfile'))
  t.strictSame(all.filter(([name]) => !known.has(name)), [])
  const stages = all.filter(([name]) => name === 'FROM').map(([, rest]) => rest.split(' AS '))
  const supported = (JSON.parse(readFileSync(built('../package.json'), 'utf8')) as { engines: { node: string } }).engines.node
  for (const [image = ''] of stages) t.ok(Number(/^node:(\d+)-slim$/.exec(image)?.[1]) >= Number(/\d+/.exec(supported)?.[0]), image)
  for (const [, from] of all.map(([, rest]) => /--from=(\w+)/.exec(rest)).filter((found) => found !== null)) t.equal(from, stages[0]?.[1])

  const last = new Map(all.slice(all.findLastIndex(([name]) => name === 'FROM')))
  t.equal(last.get('USER'), 'node')
  t.equal(last.get('STOPSIGNAL'), 'SIGTERM')
  t.strictSame(JSON.parse(last.get('CMD') ?? ''), ['node', 'dist/main.js'], 'no shell, which would get the signal')

  const port = Number(last.get('EXPOSE'))
  const served = new Program(program, { cwd: folderOf(t) })
  t.teardown(() => served.kill())
  const bound = await served.port(port)
  const [, command = ''] = /^(?:--\S+ +)+CMD (.*)$/.exec(last.get('HEALTHCHECK') ?? '') ?? []
  const [, ...args] = (JSON.parse(command) as string[]).map((text) => text.replaceAll(`:${port}/`, `:${bound}/`))
  const health = (): Promise<number> => new Promise((resolve) => execFile(process.execPath, args, (error) => resolve(error === null ? 0 : Number(error.code))))
  t.equal(await health(), 0)
  t.strictSame(await served.stop('SIGTERM'), { code: 0, signal: null })
  t.equal(await health(), 1)
})

interface Probe {
  readonly httpGet: { readonly path: string, readonly port: string, readonly scheme: string }
  readonly periodSeconds: number
  readonly failureThreshold: number
}

interface Pod {
  readonly terminationGracePeriodSeconds: number
  readonly containers: readonly {
    readonly env: readonly { readonly name: string, readonly value: string }[]
    readonly ports: readonly { readonly name: string, readonly containerPort: number }[]
    readonly readinessProbe: Probe
    readonly livenessProbe: Probe
    readonly volumeMounts: readonly { readonly name: string, readonly mountPath: string }[]
  }[]
  readonly volumes: readonly { readonly name: string, readonly secret: { readonly defaultMode: number } }[]
}

interface Manifest {
  readonly kind: string
  readonly spec: {
    readonly selector: { readonly app?: string, readonly matchLabels?: object }
    readonly template: { readonly metadata: { readonly labels: object }, readonly spec: Pod }
    readonly ports: readonly { readonly targetPort: string }[]
  }
}

t.test('the program does what the manifests of Kubernetes say', async (t) => {
  // kubectl reads YAML 1.1, where 0440 is octal.
  const documents = parseAllDocuments(source('kubernetes.yaml'), { version: '1.1' })
  t.strictSame(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings]), [])
  const [deployment, service, budget] = documents.map((one) => one.toJS() as Manifest)
  t.strictSame([deployment, service, budget].map((one) => one?.kind), ['Deployment', 'Service', 'PodDisruptionBudget'])
  const { template } = deployment.spec
  for (const { spec } of [deployment, budget]) t.strictSame(spec.selector.matchLabels, template.metadata.labels)
  t.strictSame(service.spec.selector, template.metadata.labels)
  const pod = template.spec
  const [container] = pod.containers
  const [port] = container.ports
  t.equal(service.spec.ports[0]?.targetPort, port.name)
  t.equal(container.volumeMounts[0]?.name, pod.volumes[0]?.name)
  t.equal(pod.volumes[0]?.secret.defaultMode, 0o440)

  const env = Object.fromEntries(container.env.map(({ name, value }) => [name, value]))
  t.equal(env['TLS_FOLDER'], container.volumeMounts[0]?.mountPath)
  t.ok(pod.terminationGracePeriodSeconds >= Number(env['PRE_DRAIN']) + defaults.drain + 5, 'it may finish')
  t.ok(Number(env['PRE_DRAIN']) > container.readinessProbe.periodSeconds * container.readinessProbe.failureThreshold, 'it is looked away from first')

  // As a secret is mounted: links to a folder that is another one after each change.
  const mounted = folderOf(t)
  const data = folderOf(t)
  renew(data)
  symlinkSync(data, join(mounted, '..data'))
  for (const name of ['tls.crt', 'tls.key']) symlinkSync(`..data/${name}`, join(mounted, name))
  const running = new Program(program, { cwd: mounted, env: { ...env, TLS_FOLDER: mounted } })
  t.teardown(() => running.kill())
  const bound = await running.port(port.containerPort)
  const probe = async ({ httpGet }: Probe): Promise<string> => {
    t.equal(httpGet.port, port.name)
    const url = `${httpGet.scheme.toLowerCase()}://127.0.0.1:${bound}${httpGet.path}`
    return execFileSync('curl', ['--silent', '--insecure', '--max-time', '60', '--output', '/dev/null', '--write-out', '%{http_code}', url]).toString()
  }
  t.equal(await probe(container.readinessProbe), '200')
  t.equal(await probe(container.livenessProbe), '200')
  const stopped = running.stop('SIGTERM')
  await running.printed(/Not ready any more, and stopping in 10 s/)
  t.equal(await probe(container.readinessProbe), '503')
  t.equal(await probe(container.livenessProbe), '200', 'what ends is not started anew')
  running.kill()
  await stopped
})
