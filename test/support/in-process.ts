import { spawnSync } from 'node:child_process'

/** Runs a program of its own to its end, without what a test runner adds to programs, and gives what it printed. */
export function inProcess(args: readonly string[], env: Record<string, string> = {}): string {
  const { stdout, stderr, status } = spawnSync(process.execPath, args, {
    encoding: 'utf8', timeout: 600_000, env: { ...process.env, NODE_OPTIONS: '', ...env },
  })
  if (status !== 0 || stderr !== '') throw new Error(`${args.join(' ')} ended with ${String(status)}: ${stderr}`)
  return stdout
}
