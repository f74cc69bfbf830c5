import { spawn } from 'node:child_process'

export interface ClientOutput {
  /** All that `openssl s_client` printed. */
  readonly output: string
  /** What the certificate is for, or null without one. */
  readonly subject: string | null
  readonly protocol: string | null
  readonly resumed: boolean
}

/**
 * Connects with the openssl program; the connection ends once the server closes it. The lines of `say` are sent one by
 * one; single capital letters among them are commands of the program.
 */
export async function sClient(port: number, args: readonly string[], say: readonly string[] = []): Promise<ClientOutput> {
  const quiet = say.length === 0 ? ['-ign_eof'] : []
  const client = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...quiet, ...args])
  let output = ''
  client.stdout.on('data', (bytes: Buffer) => (output += bytes.toString('latin1')))
  client.stderr.on('data', (bytes: Buffer) => (output += bytes.toString('latin1')))
  client.stdin.on('error', () => {})
  // A command is one only if it is read alone.
  say.forEach((line, index) => setTimeout(() => client.stdin.write(line + '\n'), 200 * index))
  const late = setTimeout(() => client.kill(), 10_000)
  await new Promise((resolve) => client.once('close', resolve))
  clearTimeout(late)
  const match = (pattern: RegExp): string | null => pattern.exec(output)?.[1] ?? null
  return {
    output,
    subject: match(/^subject=(.*)$/m),
    protocol: match(/^(?:New|Reused), (TLSv1\.\d)/m),
    resumed: /^Reused, /m.test(output),
  }
}
