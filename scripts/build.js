// node scripts/build.js PROJECT FOLDER: compiles PROJECT (a tsconfig.json) into FOLDER.
//
// It compiles aside and then moves file after file into place, so that a program that runs from FOLDER finds every file
// whole at every moment. When there are type errors, FOLDER stays as it was.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const [project, folder] = process.argv.slice(2)
if (project === undefined || folder === undefined) {
  console.error('usage: node scripts/build.js PROJECT FOLDER')
  process.exit(2)
}
const aside = `${folder}.next-${process.pid}`
process.on('exit', () => rmSync(aside, { recursive: true, force: true }))

console.error(`Compiling ${project} into ${folder}: this takes some seconds`)
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
const { status } = spawnSync(process.execPath, [tsc, '-p', project, '--outDir', aside], { stdio: ['ignore', 2, 2] })
if (status !== 0) process.exit(1)
for (const room of readdirSync(aside)) replace(join(aside, room), join(folder, room))

/** Moves what is in `from` to `to`, and removes what else is there. */
function replace(from, to) {
  const made = filesIn(from)
  for (const file of made) {
    mkdirSync(dirname(join(to, file)), { recursive: true })
    renameSync(join(from, file), join(to, file))
  }
  for (const file of filesIn(to)) if (!made.has(file)) rmSync(join(to, file))
}

function filesIn(folder) {
  if (!existsSync(folder)) return new Set()
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return new Set(entries.map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1)))
}
