import { spawn } from 'node:child_process'

export interface CurlResult {
  /** curl's exit code: 0 is success. */
  readonly code: number | null
  readonly stdout: Buffer
  readonly stderr: string
  /** stdout as UTF-8. */
  readonly text: string
}

/** Runs curl, quiet, with no settings of the user's own and a limit of 30 seconds; `input` goes to its stdin. */
export async function curl(args: readonly string[], input: string | Buffer = ''): Promise<CurlResult> {
  const child = spawn(
    'curl', ['-q', '-sS', '--max-time', '30', '--noproxy', '*', ...args], { stdio: ['pipe', 'pipe', 'pipe'] },
  )
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', (bytes: Buffer) => out.push(bytes))
  child.stderr.on('data', (bytes: Buffer) => err.push(bytes))
  // curl may have its response before it has read everything.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  const stdout = Buffer.concat(out)
  return { code, stdout, stderr: Buffer.concat(err).toString(), text: stdout.toString() }
}
