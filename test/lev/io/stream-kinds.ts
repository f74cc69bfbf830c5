import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import type { Test } from 'tap'
import * as lev from '../../../lev/index.js'
import type { Op, Security, Stream } from '../../../lev/index.js'
import { loopback } from '../../../examples/loopback-driver.js'
import { overTls, type DriverTest, type StreamSetup } from '../../../testing/setup.js'
import { connectedPair } from '../../../testing/streams.js'
import { Certificates } from '../../tls/certificates.js'

/** A kind of connection that the tests of streams run on. */
export interface StreamKind extends StreamSetup {
  readonly name: string
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

const nodeNetwork: StreamKind = { name: 'node', driver: () => undefined, pair: connectedPair }
const memoryNetwork: StreamKind = { name: 'memory', driver: () => lev.memory(), pair: connectedPair, virtual: true }
const shredded: StreamKind = { ...memoryNetwork, name: 'memory in small segments', driver: () => lev.memory({ segment: 1500 }) }
/** The driver of docs/contributing/drivers.md. */
const loopbackNetwork: StreamKind = { ...nodeNetwork, name: 'loopback', driver: loopback }
const nodePipe: StreamKind = { ...nodeNetwork, name: 'pipe on node', pair: joined }
const memoryPipe: StreamKind = { ...memoryNetwork, name: 'pipe on memory', pair: joined }

const tlsOver = (kind: StreamKind): StreamKind => ({ ...overTls(kind, clientSecurity, serverSecurity), name: `TLS over ${kind.name}` })

/** Those with a network of their own: in these, listening and connecting are tested too. */
export const networkKinds: readonly StreamKind[] = [nodeNetwork, memoryNetwork, shredded]

export const streamKinds: readonly StreamKind[] = [
  ...networkKinds, loopbackNetwork, nodePipe, memoryPipe,
  tlsOver(nodeNetwork), tlsOver(memoryNetwork), tlsOver(shredded), tlsOver(nodePipe), tlsOver(memoryPipe),
]

/** Runs the tests of a driver as tests of tap. */
export function runAll(t: Test, tests: readonly DriverTest[]): void {
  for (const { name, run } of tests) {
    t.test(name, async (t) => {
      await run()
      t.pass()
    })
  }
}
