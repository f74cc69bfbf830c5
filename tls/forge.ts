import { createRequire } from 'node:module'
import type Forge from 'node-forge'

const load = createRequire(import.meta.url)

/** node-forge, loaded on first use: most servers never need it, and it takes 20 ms to load and 2 MB of memory. */
export function forge(): typeof Forge {
  return load('node-forge') as typeof Forge
}
