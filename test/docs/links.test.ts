import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { pages, readPage, root } from './blocks.js'

/** The anchor that a heading gets where the pages are shown. */
function anchor(heading: string): string {
  return heading.toLowerCase().replace(/[^\w\s-]/g, '').replaceAll(' ', '-')
}

function withoutBlocks(text: string): string {
  return text.replace(/^```[^]*?^```$/gm, '')
}

function anchors(file: string): string[] {
  return Array.from(withoutBlocks(readPage(file)).matchAll(/^#+ (.*)$/gm), ([, heading = '']) => anchor(heading))
}

const extra = ['ARCHITECTURE.md', 'SECURITY.md']

for (const file of [...pages(), ...extra]) {
  t.test(file, async (t) => {
    for (const [, link = ''] of withoutBlocks(readPage(file)).matchAll(/\]\(([^)]+)\)/g)) {
      if (/^https?:/.test(link)) continue
      const [path = '', fragment] = link.split('#')
      const target = path === '' ? file : join(dirname(file), path)
      t.ok(existsSync(join(root, target)), `${link} exists`)
      if (fragment !== undefined) t.ok(anchors(target).includes(fragment), `${link} is a heading`)
    }
  })
}

for (const file of [...pages(), ...extra]) {
  t.test(`${file}: the files and folders of the source that it names are there`, async (t) => {
    const named = Array.from(withoutBlocks(readPage(file)).matchAll(/`((?:lev|lib|tls|testing|test|bench|docs|examples)\/[\w./-]*)`/g), ([, path = '']) => path)
    t.strictSame(named.filter((path) => !existsSync(join(root, path))), [])
  })
}
