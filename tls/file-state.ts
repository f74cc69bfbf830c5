import { stat } from 'node:fs/promises'
import { errorCode } from './identity-files.js'
import type { TlsConfig } from './identity-config.js'

/** What tells apart the files of a configuration before and after a change, without reading them. Symbolic links are followed. */
export async function stateOfFiles({ default: first, hosts }: TlsConfig): Promise<string> {
  const identities = [first, ...Object.values(hosts ?? {})].flat()
  const paths = new Set(identities.flatMap(({ cert, key, pfx, ca }) => [cert, key, pfx, ca]))
  const states: string[] = []
  for (const path of paths) if (typeof path === 'string') states.push(await stateOf(path))
  return states.join('\n')
}

async function stateOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return [path, dev, ino, size, mtimeNs, ctimeNs].join(' ')
  } catch (error) {
    return `${path} ${errorCode(error)}`
  }
}
