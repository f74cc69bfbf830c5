import { posix } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { filePath } from '../../../../lib/web/static/path.js'
import { seed } from '../../../support/seed.js'

t.test('paths of requests', async (t) => {
  const same = ['/', '/a', '/a/', '/a/b.txt', '/a.b/c-d_e~f', '/a..b', '/a.', '/@x/+y', '/.well-known/acme']
  for (const query of same) t.equal(filePath(query, false), query, query)
  const decoded: [query: string, path: string][] = [
    ['/a%20b', '/a b'], ['/%61', '/a'], ['/%C3%A9', '/é'], ['/a%2520', '/a%20'], ['/a:b', '/a:b'], ["/it's(1)", "/it's(1)"], ['/%2A', '/*'], ['/a%3Fb', '/a?b'],
  ]
  for (const [query, path] of decoded) t.equal(filePath(query, false), path, query)
  const none = [
    '', '*', 'a', 'example.com:443', '//', '//host', '//host/', '/a//b', '/a//', '/./a', '/../a', '/a/..', '/a/.', '/..', '/.',
    '/%2e%2e/a', '/%2E./a', '/.%2e/a', '/a/%2e%2e', '/..%2fa', '/a%2fb', '/%2fetc', '/%2f%2fhost', '/a%2F', '/a\\b', '/..\\a', '/a%5cb', '/%5c%5chost', '/..%5c..%5ca',
    '/a%00', '/%00', '/a%00.txt', '/%', '/%4', '/%zz', '/%ff', '/%c0%ae%c0%ae/a', '/%e0%80%ae', '/%u002e', '/%ed%a0%80',
  ]
  for (const query of none) for (const dotFiles of [false, true]) t.equal(filePath(query, dotFiles), null, JSON.stringify(query))
  for (const query of ['/.env', '/.git/config', '/a/.b', '/%2eenv', '/...', '/.well-known', '/a/.well-known/b', '/.well-known/.env']) {
    t.equal(filePath(query, false), null, query)
    t.equal(filePath(query, true), decodeURIComponent(query), `${query}, with dot files`)
  }
})

t.test('no path leaves the root, nor has it a name that an attack could use', async () => {
  const piece = fc.constantFrom('/', '.', '..', '%2e', '%2E', '%2f', '%5c', '\\', '%00', '%', '%25', '%c0%ae', '%ff', 'a', '.a', '%2561', '~', ':', '%E2%80%AE')
  fc.assert(fc.property(fc.array(piece, { maxLength: 12 }), fc.boolean(), (pieces, dotFiles) => {
    const path = filePath(`/${pieces.join('')}`, dotFiles)
    if (path === null) return true
    const names = path.split('/').slice(1)
    const plain = posix.normalize(`/root${path}`) === `/root${path}` && names.slice(0, -1).every((name) => name !== '')
    return plain && !/[\\\0]/.test(path) && (dotFiles || names.every((name) => !name.startsWith('.')))
  }), { seed, numRuns: 5000 })
})
