import t from 'tap'
import * as fixedLimits from '../../lib/config/fixed-limits.js'
import { settingsTable } from '../../lib/config/settings.js'
import { readPage } from './blocks.js'

interface Row {
  readonly default: unknown
  readonly unit: string
}

/** What a table of settings must say: `name`, `default` as JSON, unit. */
function rows(table: Readonly<Record<string, object>>, prefix = ''): string[] {
  return Object.entries(table).flatMap(([name, row]) =>
    isRow(row) ? [`| \`${prefix}${name}\` | ${shown(row)} |`] : rows({ ...row }, `${name}.`))
}

function isRow(row: object): row is Row {
  return 'default' in row && 'unit' in row && 'check' in row
}

function shown({ default: value, unit }: Row): string {
  const json = (Array.isArray(value) ? value : [value]).map((one) => `\`${JSON.stringify(one)}\``).join(', ')
  if (json === '') return 'none'
  return unit === '' || value === null ? json : `${json} ${unit}`
}

/** The first two cells of the rows about something that has a name. */
function said(text: string): string[] {
  const lines = text.split('\n').filter((line) => line.startsWith('| `'))
  return lines.map((line) => `${line.split(' | ').slice(0, 2).join(' | ')} |`).sort()
}

const heading = '\n## Fixed limits\n'

for (const file of ['README.md', 'docs/guide/settings.md']) {
  t.test(file, async (t) => {
    const page = readPage(file)
    const limits = page.split(heading)[1]?.split('\n## ')[0] ?? ''
    t.strictSame(said(page.replace(limits, '')), rows(settingsTable).sort())
  })
}

t.test('fixed limits', async (t) => {
  const limits = readPage('docs/guide/settings.md').split(heading)[1]?.split('\n## ')[0] ?? ''
  const unit = (name: string): string => name.endsWith('Seconds') ? ' s' : name.endsWith('Bytes') ? ' B' : ''
  t.strictSame(said(limits), Object.entries(fixedLimits).map(([name, value]) => `| \`${name}\` | \`${value}\`${unit(name)} |`).sort())
})
