import { createRequire } from 'node:module'
import type Forge from 'node-forge'

const load = createRequire(import.meta.url)

/** node-forge, for those who need it: most servers never do, and it takes 20 ms to load and holds 2 MB. */
export function forge(): typeof Forge {
  return load('node-forge') as typeof Forge
}
