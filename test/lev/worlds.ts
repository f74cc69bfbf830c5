import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import * as lev from '../../lev/index.js'
import type { Op, Security, Stream } from '../../lev/index.js'
import { Certificates } from '../tls/certificates.js'

/** Two joined streams of one kind, and the driver that they live on. */
export interface World {
  readonly name: string
  readonly driver: () => lev.Driver | undefined
  /** Makes both ends of a connection: the one that connected first. */
  readonly pair: () => Op<[Stream, Stream]>
  /** Whether its clock is virtual. */
  readonly virtual: boolean
  readonly secure: boolean
}

/** Two ends of a connection over the driver's network. */
export function* network(): Op<[Stream, Stream]> {
  const listener = yield* lev.listen({ ip: '127.0.0.1', port: 0 })
  try {
    const connecting = lev.spawn(() => lev.connect(listener.address))
    const accepted = yield* listener.accept()
    if (accepted === null) throw new Error('the listener was closed')
    return [yield* connecting.join(), accepted]
  } finally {
    listener.close()
  }
}

function* joined(): Op<[Stream, Stream]> {
  return lev.pipe()
}

const certificates = new Certificates()
process.once('exit', () => certificates.remove())
const root = certificates.issue({ names: ['Root'], ca: true })
const leaf = certificates.issue({ names: ['one.test'], by: root })

export const serverSecurity: Security = {
  side: 'server',
  context: createSecureContext({ cert: readFileSync(leaf.cert), key: readFileSync(leaf.key) }),
  alpn: ['http/1.1'],
  clientCertificate: 'none',
}

export const clientSecurity: Security = {
  side: 'client',
  context: createSecureContext({ ca: readFileSync(root.cert) }),
  alpn: ['http/1.1'],
  serverName: 'one.test',
  verify: true,
}

/** The same connection after its handshake. */
function secured(pair: () => Op<[Stream, Stream]>): () => Op<[Stream, Stream]> {
  return function* () {
    const [near, far] = yield* pair()
    const shaking = lev.spawn(() => far.secure(serverSecurity))
    yield* near.secure(clientSecurity)
    yield* shaking.join()
    return [near, far]
  }
}

const nodeNetwork: World = { name: 'node', driver: () => undefined, pair: network, virtual: false, secure: false }
const memoryNetwork: World = { name: 'memory', driver: () => lev.memory(), pair: network, virtual: true, secure: false }
const shredded: World = { ...memoryNetwork, name: 'memory in small segments', driver: () => lev.memory({ segment: 1500 }) }
const nodePipe: World = { ...nodeNetwork, name: 'pipe on node', pair: joined }
const memoryPipe: World = { ...memoryNetwork, name: 'pipe on memory', pair: joined }

const overTls = (world: World): World => ({ ...world, name: `TLS over ${world.name}`, pair: secured(world.pair), secure: true })

/** Worlds with a network of their own: in these, listening and connecting are tested too. */
export const networks: readonly World[] = [nodeNetwork, memoryNetwork, shredded]

export const worlds: readonly World[] = [
  ...networks, nodePipe, memoryPipe,
  overTls(nodeNetwork), overTls(memoryNetwork), overTls(shredded), overTls(nodePipe), overTls(memoryPipe),
]

/** Runs `main` in `world`; an error that goes to nobody fails the test, and on a virtual clock also a timer that is left. */
export async function runIn<T>(world: World, main: () => Op<T>): Promise<T> {
  const lost: unknown[] = []
  const driver = world.driver()
  let wake = Infinity
  const watched: lev.Driver | undefined = driver === undefined ? undefined : {
    ...driver,
    wakeAt(time) {
      wake = time
      driver.wakeAt(time)
    },
  }
  const value = await lev.run(main, { ...(watched === undefined ? {} : { driver: watched }), report: (error) => lost.push(error) })
  if (lost.length > 0) throw new AggregateError(lost, 'errors were reported')
  if (wake !== Infinity) throw new Error(`a timer for ${wake} s was left behind`)
  return value
}

/** Reads to the end. */
export function* readAll(stream: Stream): Op<Buffer> {
  const parts: Buffer[] = []
  for (let part = yield* stream.read(); part !== null; part = yield* stream.read()) parts.push(part)
  return Buffer.concat(parts)
}

/** Reads until `length` bytes are there. */
export function* readExactly(stream: Stream, length: number): Op<Buffer> {
  const parts: Buffer[] = []
  for (let missing = length; missing > 0; ) {
    const part = yield* stream.read(missing)
    if (part === null) throw new Error(`the end came ${missing} bytes early`)
    parts.push(part)
    missing -= part.length
  }
  return Buffer.concat(parts)
}
