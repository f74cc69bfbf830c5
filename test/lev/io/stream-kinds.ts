import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import * as lev from '../../../lev/index.js'
import type { Op, Security, Stream } from '../../../lev/index.js'
import { loopback } from '../../../examples/loopback-driver.js'
import { network } from '../../support/streams.js'
import { runOn } from '../../support/virtual-run.js'
import { Certificates } from '../../tls/certificates.js'

/** Two joined streams of one kind, and the driver that they live on. */
export interface StreamKind {
  readonly name: string
  readonly driver: () => lev.Driver | undefined
  /** Makes both ends of a connection: the one that connected first. */
  readonly pair: () => Op<[Stream, Stream]>
  /** Whether its clock is virtual. */
  readonly virtual: boolean
  readonly secure: boolean
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

const nodeNetwork: StreamKind = { name: 'node', driver: () => undefined, pair: network, virtual: false, secure: false }
const memoryNetwork: StreamKind = { name: 'memory', driver: () => lev.memory(), pair: network, virtual: true, secure: false }
const shredded: StreamKind = { ...memoryNetwork, name: 'memory in small segments', driver: () => lev.memory({ segment: 1500 }) }
/** The driver of docs/contributing/drivers.md. */
const loopbackNetwork: StreamKind = { ...nodeNetwork, name: 'loopback', driver: loopback }
const nodePipe: StreamKind = { ...nodeNetwork, name: 'pipe on node', pair: joined }
const memoryPipe: StreamKind = { ...memoryNetwork, name: 'pipe on memory', pair: joined }

const overTls = (kind: StreamKind): StreamKind => ({ ...kind, name: `TLS over ${kind.name}`, pair: secured(kind.pair), secure: true })

/** Those with a network of their own: in these, listening and connecting are tested too. */
export const networkKinds: readonly StreamKind[] = [nodeNetwork, memoryNetwork, shredded]

export const streamKinds: readonly StreamKind[] = [
  ...networkKinds, loopbackNetwork, nodePipe, memoryPipe,
  overTls(nodeNetwork), overTls(memoryNetwork), overTls(shredded), overTls(nodePipe), overTls(memoryPipe),
]

/** Runs `main` where `kind` lives; an error that no task was given fails the test, and on a virtual clock also a timer that is left. */
export async function runIn<T>(kind: StreamKind, main: () => Op<T>): Promise<T> {
  const driver = kind.driver()
  let wake = Infinity
  const watched: lev.Driver | undefined = driver === undefined ? undefined : {
    ...driver,
    wakeAt(time, keeps) {
      wake = time
      driver.wakeAt(time, keeps)
    },
  }
  const value = await runOn(watched, main)
  if (wake !== Infinity) throw new Error(`a timer for ${wake} s was left behind`)
  return value
}
