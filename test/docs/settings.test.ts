import t from 'tap'
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
  return unit === '' ? json : `${json} ${unit}`
}

for (const file of ['README.md', 'docs/guide/settings.md']) {
  t.test(file, async (t) => {
    const lines = readPage(file).split('\n').filter((line) => line.startsWith('| `'))
    const said = lines.map((line) => `${line.split(' | ').slice(0, 2).join(' | ')} |`)
    t.strictSame([...said].sort(), rows(settingsTable).sort())
  })
}
