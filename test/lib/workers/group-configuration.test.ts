import { copyFileSync } from 'node:fs'
import t from 'tap'
import * as lev from '../../../lev/index.js'
import * as server from '../../../lib/index.js'
import { Server } from '../../../lib/server/server.js'
import { asData, GroupConfiguration, takePart } from '../../../lib/workers/group-configuration.js'
import { Messages } from '../../../lib/workers/messages.js'
import { Running } from '../../support/workers-program.js'
import { Certificates } from '../../tls/certificates.js'

const made = new Certificates()
t.teardown(() => made.remove())
const one = made.issue({ names: ['one.test'] })
const two = made.issue({ names: ['two.test'] })

const make = (config: server.Config = {}): Server => server.new({ log_level: 'error', ...config }, () => '')
const sizeOf = (one: Server): unknown => Server.partsOf(one).service.settings.max_body_size

/** A worker in this process; its parent has one end of its messages. */
class FakeWorker {
  readonly number: number
  readonly server: Server
  readonly messages: Messages
  hasEnded = false
  killed = false
  /** Called before it gets a message; what it returns is awaited. */
  onAsk: (name: string) => unknown = () => {}

  constructor(number: number, config: server.Config = {}) {
    this.number = number
    this.server = make(config)
    const own: Messages = new Messages((message) => queueMicrotask(() => this.messages.receive(structuredClone(message))))
    this.messages = new Messages((message) => void Promise.resolve(this.onAsk((message as { name: string }).name)).then(() => own.receive(structuredClone(message))))
    takePart(own, Server.partsOf(this.server).configuration)
  }

  end(): void {
    this.hasEnded = true
    this.messages.close()
  }

  kill(): void {
    this.killed = true
    this.end()
  }
}

function group(workers: FakeWorker[], config: server.Config = {}): { parent: Server; changes: GroupConfiguration } {
  const parent = make(config)
  return { parent, changes: new GroupConfiguration(Server.partsOf(parent).configuration, () => workers.filter(({ hasEnded }) => !hasEnded), 30) }
}

t.test('all of them change, in order, and what is to come is told', async (t) => {
  const workers = [new FakeWorker(1), new FakeWorker(2)]
  const { parent, changes } = group(workers)
  await Promise.all([changes.configure({ max_body_size: 1 }), changes.configure({}), changes.configure({ max_body_size: 2, drain: 3 })])
  t.strictSame([parent, ...workers.map(({ server }) => server)].map(sizeOf), [2, 2, 2])
  t.strictSame(changes.changes, [{ max_body_size: 1 }, { max_body_size: 2, drain: 3 }])
})

t.test('one worker that cannot: none changes, and the next change is possible', async (t) => {
  const broken = { cert: made.path('broken.crt'), key: made.path('broken.key') }
  copyFileSync(one.cert, broken.cert)
  copyFileSync(one.key, broken.key)
  const workers = [new FakeWorker(1, { ssl: { default: one } }), new FakeWorker(2, { ssl: { default: broken } })]
  const { parent, changes } = group(workers, { ssl: { default: one } })
  copyFileSync(two.cert, broken.cert)
  await t.rejects(changes.configure({ max_body_size: 1 }), { name: 'WorkerError', message: /^the settings stay as they are: worker 2: the default identity: .*does not belong/ })
  const all = [parent, ...workers.map(({ server }) => server)]
  t.strictSame(all.map(sizeOf), Array(3).fill(5 * 1024 * 1024))
  t.strictSame(changes.changes, [])
  await workers[0].server.configure({ max_body_size: 3 })
  t.equal(sizeOf(workers[0].server), 3, 'nothing is held up')
  copyFileSync(two.key, broken.key)
  await changes.configure({ max_body_size: 2 })
  t.strictSame(all.map(sizeOf), [2, 2, 2])
  await t.rejects(changes.configure({ port: -1 }), { name: 'ConfigError', key: 'port' }, 'the parent is asked first')
  await t.rejects(changes.configure({ ssl: { default: { cert: one.cert, key: two.key } } }), { name: 'IdentityError' })
})

t.test('a worker that ends in between is no obstacle, and one that starts in between gets the changes', async (t) => {
  for (const step of ['prepare', 'commit']) {
    const workers = [new FakeWorker(1), new FakeWorker(2)]
    const { changes } = group(workers)
    const [first, second] = workers
    second.onAsk = (name) => name === step && second.end()
    await changes.configure({ max_body_size: 1 })
    t.equal(sizeOf(first.server), 1, `ended before ${step}`)
  }
  const workers = [new FakeWorker(1)]
  const { changes } = group(workers)
  workers[0].onAsk = (name) => void (name === 'prepare' && workers.length === 1 && workers.push(new FakeWorker(2)))
  await changes.configure({ max_body_size: 1 })
  t.strictSame(workers.map(({ server }) => sizeOf(server)), [1, 1])
})

t.test('a worker that does not respond: in time it is given up, and it is ended if the others have changed', async (t) => {
  await lev.run(function* () {
    const workers = [new FakeWorker(1), new FakeWorker(2)]
    const { changes } = group(workers)
    let stuck = 'prepare'
    workers[1].onAsk = (name) => name === stuck && new Promise(() => {})
    const began = lev.now()
    const refused = yield* lev.wait(changes.configure({ max_body_size: 1 }).then(() => null, String))
    t.match(refused, /worker 2: not done within 30 s/)
    t.equal(lev.now() - began, 30)
    t.equal(sizeOf(workers[0].server), 5 * 1024 * 1024)
    stuck = 'commit'
    yield* lev.wait(changes.configure({ max_body_size: 2 }))
    t.strictSame(workers.map(({ killed }) => killed), [false, true])
    t.equal(sizeOf(workers[0].server), 2)
  }, { driver: lev.memory() })
})

t.test('a preparation that was given up while it went on is forgotten', async (t) => {
  const [near, far] = [new Messages((message) => far.receive(message)), new Messages((message: object): void => near.receive(message))]
  const own = make({ ssl: { default: one } })
  takePart(far, Server.partsOf(own).configuration)
  const first = near.ask('prepare', { max_body_size: 1 })
  near.tell('abort')
  await first
  await near.ask('commit')
  t.equal(sizeOf(own), 5 * 1024 * 1024)
  const early = near.ask('prepare', { max_body_size: 2 })
  await Promise.all([early, near.ask('prepare', { max_body_size: 3 })])
  await near.ask('commit')
  t.equal(sizeOf(own), 3)
})

t.test('what is no data is refused by its name', async (t) => {
  for (const [config, key, got] of [
    [{ max_body_size: () => 1 }, 'max_body_size', 'a function'], [{ logger: console }, 'logger', 'a console'], [{ buffer_body: () => true }, 'buffer_body', 'a function'],
  ] as const) {
    t.throws(() => asData(config), { name: 'ConfigError', key, message: new RegExp(`^${key} cannot be changed for all workers: ${got} cannot be sent`) })
  }
  t.throws(() => asData(7), { name: 'ConfigError', message: 'config must be an object of settings, got 7' })
  t.strictSame(asData({ logger: null, ssl: { ticket_secret: Buffer.alloc(2) }, port: undefined }), { logger: null, ssl: { ticket_secret: Buffer.alloc(2) } })
})

t.test('real workers: from a worker and from the parent, and for workers that start later', async (t) => {
  const running = new Running(t, `
    const handle = async (method, path, args, headers, body, ctx) => {
      if (path === '/') return workers.number + ' ' + ctx.cfg.max_body_size
      return await workers.configure(JSON.parse(decodeURIComponent(args))).then(() => 'done', (error) => error.name + ' ' + error.message)
    }
    if (workers.number === null) process.on('SIGUSR2', () => workers.configure({ max_body_size: 77 }).then(() => console.log('changed')))
    await workers.run(() => server.new({ port: 0, log_level: 'info' }, handle), { count: 2 })`)
  const url = await running.url()
  const get = async (path: string): Promise<string> => await (await fetch(url + path, { headers: { connection: 'close' } })).text()
  const configure = (config: object): Promise<string> => get(`/configure?${JSON.stringify(config)}`)
  const sizes = async (): Promise<Set<string>> => {
    const found = new Map<string, string>()
    while (found.size < 2) {
      for (const text of await Promise.all([1, 2, 3, 4].map(() => get('/')))) found.set(...text.split(' ') as [string, string])
    }
    return new Set(found.values())
  }
  await running.workers(2)
  t.equal(await configure({ max_body_size: 5 }), 'done')
  t.strictSame(await sizes(), new Set(['5']))
  t.match(await configure({ max_body_size: -1 }), /^ConfigError max_body_size must be/)
  t.match(await configure({ ssl: { default: { cert: '/none', key: '/none' } } }), /^IdentityError .*there is no such file/)
  t.strictSame(await sizes(), new Set(['5']))
  running.child.kill('SIGUSR2')
  await running.line(/^changed/)
  t.strictSame(await sizes(), new Set(['77']))
  running.child.kill('SIGHUP')
  await running.line(/^Rolled/)
  t.strictSame(await sizes(), new Set(['77']), 'after a roll')
})
