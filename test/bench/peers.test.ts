import t from 'tap'
import { nginxConfig } from '../../bench/nginx.js'
import { argumentsOf, installed, packageVersion, peerFile, printed } from '../../bench/peer.js'
import { noTodos, peers, referenceOf } from '../../bench/peers.js'
import { tasks } from '../../bench/tasks.js'

const order = { task: 'hello', port: 8080, content: '/content', folder: '/folder', pem: null } as const

t.test('a peer that is not available says why', async (t) => {
  t.match(installed('no-such-package'), { absent: 'not installed: npm run bench:install' })
  t.equal(printed('/no/such/program', []), null)
  for (const { title, find } of peers) {
    const found = find()
    t.ok('absent' in found ? /install/.test(found.absent) : found.version !== '', `${title}: ${JSON.stringify(found)}`)
  }
})

t.test('each task has a peer to compare with, and each absence a reason', async (t) => {
  for (const task of tasks) {
    const reference = peers.find(({ name }) => name === referenceOf(task))
    t.equal(reference?.declines(task), task === 'todo' ? noTodos : null, task)
    for (const { declines } of peers) t.not(declines(task), '')
  }
})

t.test('the peers\' package names what it needs, and its lock file names no host', async (t) => {
  t.ok(packageVersion(peerFile('../../package.json')))
  const { readFileSync } = await import('node:fs')
  t.notMatch(readFileSync(peerFile('package-lock.json'), 'utf8'), '"resolved"')
})

t.test('programs are told what to serve', async (t) => {
  t.same(argumentsOf(order), ['hello', '8080', '/content'])
  t.same(argumentsOf({ ...order, pem: { cert: 'c', key: 'k' } }), ['hello', '8080', '/content', 'c', 'k'])
})

t.test('nginx\' configuration is filled in', async (t) => {
  const plain = nginxConfig(order)
  t.match(plain, 'listen 127.0.0.1:8080 backlog=511;')
  t.match(plain, 'root /content;')
  t.notMatch(plain, /@[A-Z]|ssl/)
  t.match(nginxConfig({ ...order, pem: { cert: '/c.pem', key: '/k.pem' } }), /listen 127.0.0.1:8080 backlog=511 ssl;\s+ssl_certificate \/c.pem;/)
  t.throws(() => nginxConfig({ ...order, task: 'echo' }), /no response for echo/)
})
