import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { nginx } from './nginx.js'
import { argumentsOf, installed, notInstalled, packageVersion, peerFile, printed, type Order, type Peer } from './peer.js'
import { isFetchTask, type TaskName } from './tasks.js'

function nodeProgram(name: string): (order: Order) => string[] {
  const program = fileURLToPath(new URL(`servers/${name}.js`, import.meta.url))
  return (order) => [process.execPath, program, ...argumentsOf(order)]
}

/** Why there is no to-do service; null if there is one. */
export const noTodos = Number(process.versions.node.split('.')[0]) < 22 ? 'better-sqlite3 needs Node 22 or newer' : null

/** For a server whose handlers are its own. */
function declining(webSocket: string | null, todo: string | null): Peer['declines'] {
  return (task) => {
    if (isFetchTask(task)) return 'for servers of fetch applications on Node.js'
    return task === 'websocket' ? webSocket : task === 'todo' ? todo : null
  }
}

/** A server of fetch applications. */
function fetchServer(name: string, title: string, packageName: string): Peer {
  return {
    name,
    title,
    collects: false,
    declines: (task) => (isFetchTask(task) ? null : 'fetch applications only'),
    find: () => installed(packageName),
    command: (order) => [process.execPath, peerFile(`${name}.js`), ...argumentsOf(order)],
  }
}

const leveret: Peer = {
  name: 'leveret',
  title: 'Leveret',
  collects: true,
  declines: (task) => (task === 'todo' ? noTodos : null),
  find: () => ({ version: packageVersion(fileURLToPath(new URL('../../package.json', import.meta.url))) }),
  command: (order) => nodeProgram(order.task === 'todo' ? 'todo' : 'leveret')(order),
}

const notFrameworks = 'the to-do service is for frameworks'

const nodeHttp: Peer = {
  name: 'node-http',
  title: 'node:http',
  collects: true,
  declines: declining('node:http has no WebSocket', notFrameworks),
  find: () => ({ version: process.version }),
  command: nodeProgram('node-http'),
}

const fastify: Peer = {
  name: 'fastify',
  title: 'Fastify',
  collects: true,
  declines: declining('its WebSockets are those of ws', noTodos),
  find: () => installed('fastify'),
  command: (order) => [process.execPath, peerFile(order.task === 'todo' ? 'todo.js' : 'fastify.js'), ...argumentsOf(order)],
}

/**
 * The package `bun` finds its program only by a script that runs when it is installed. It is in a package of its own;
 * there may be several, for different processors and libraries: the one that runs here is taken.
 */
let bunProgram = 'bun'

const bun: Peer = {
  name: 'bun',
  title: 'Bun',
  collects: true,
  declines: declining(null, notFrameworks),
  find() {
    const folder = peerFile('node_modules/@oven')
    for (const name of existsSync(folder) ? readdirSync(folder) : []) {
      const version = printed(`${folder}/${name}/bin/bun`, ['--version'])
      if (version === null) continue
      bunProgram = `${folder}/${name}/bin/bun`
      return { version }
    }
    return { absent: notInstalled }
  },
  command: (order) => [bunProgram, peerFile('bun.js'), ...argumentsOf(order)],
}

export const goProgram = peerFile('built/go-server')

const go: Peer = {
  name: 'go',
  title: 'Go net/http',
  collects: true,
  declines: declining('its standard library has no WebSocket', notFrameworks),
  find() {
    const version = printed(goProgram, ['version'])
    return version === null ? { absent: 'not built: apt install golang-go, then npm run bench:install' } : { version }
  },
  command: (order) => [goProgram, ...argumentsOf(order)],
}

const ws: Peer = {
  name: 'ws',
  title: 'ws',
  collects: true,
  declines: (task) => (task === 'websocket' ? null : 'WebSocket only'),
  find: () => installed('ws'),
  command: (order) => [process.execPath, peerFile('ws.js'), ...argumentsOf(order)],
}

const honoNodeServer = fetchServer('hono-node-server', '@hono/node-server', '@hono/node-server')
const srvx = fetchServer('srvx', 'srvx', 'srvx')

export const peers: readonly Peer[] = [leveret, nodeHttp, fastify, bun, go, nginx, ws, honoNodeServer, srvx]

/** Whom the others are compared with. */
export function referenceOf(task: TaskName): string {
  if (isFetchTask(task)) return 'hono-node-server'
  return task === 'websocket' ? 'ws' : task === 'todo' ? 'fastify' : 'node-http'
}
