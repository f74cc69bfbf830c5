import t from 'tap'
import { readPage } from './blocks.js'

interface LockedPackage {
  readonly dev?: boolean
  readonly hasInstallScript?: boolean
}

const lock = JSON.parse(readPage('package-lock.json')) as { packages: Record<string, LockedPackage> }
const production = Object.entries(lock.packages).filter(([path, { dev }]) => path !== '' && dev !== true)

t.test('SECURITY.md names every package that an installation brings, and no other', async (t) => {
  const page = readPage('SECURITY.md')
  const section = page.slice(page.indexOf('## Dependencies'))
  const named = Array.from(section.matchAll(/`([a-z@][a-z0-9@/.-]*)`/g), ([, name = '']) => name)
  const installed = production.map(([path]) => path.replace(/^.*node_modules\//, ''))
  t.ok(installed.length > 0)
  t.strictSame([...new Set(named)].sort(), installed.sort())
})

t.test('none of them runs a script when it is installed', async (t) => {
  t.strictSame(production.filter(([, { hasInstallScript }]) => hasInstallScript === true).map(([path]) => path), [])
})
