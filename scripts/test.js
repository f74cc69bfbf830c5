// node scripts/test.js [FILE | FOLDER | OPTION OF TAP...]: compiles, and runs these tests, or all. A test is named by its
// source (test/lib/some.test.ts) or by what was made of it (.build/test/lib/some.test.js).
import { pathToFileURL } from 'node:url'
import { compile, compiledTests, tap } from './tests.js'

const args = compiledTests(process.argv.slice(2))
compile()
process.argv.splice(1, process.argv.length, tap, ...args)
await import(pathToFileURL(tap).href)
