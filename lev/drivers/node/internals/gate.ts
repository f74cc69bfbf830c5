/**
 * The newest version of each line of Node on which each use of a private part of Node is allowed: all tests, including those of
 * isolation, pass with it there (`npm run test:nodes`). Later ones get the documented API until they are proven, also within a
 * line: 24.22 took over from 26 what closes two parts there. Even on these versions the private part must exist, and
 * `directInput` and `reusedZlib` check that it works as expected.
 *
 * Not on 26 and 24.22: `directInput`, because a TLS read there returns memory that all reads of the process share, so one client's
 * bytes would get into another client's request; `directOutput`, because it needs a class of Node's that cannot be obtained there.
 */
const proven = {
  /** Reads the decrypted bytes of a TLS socket below stream.Readable. */
  directInput: ['20.20', '22.23', '24.21'],
  /** Writes to a socket below stream.Writable. */
  directOutput: ['20.20', '22.23', '24.21'],
  /** Accepts connections before Node creates a socket for each, and reads all of them into one buffer. */
  sharedRead: ['20.20', '22.23', '24.22', '26.12'],
  /** Reads addresses without making Node keep each one. */
  addressBook: ['20.20', '22.23', '24.22', '26.12'],
  /** Reuses one compressor for many contents. */
  reusedZlib: ['20.20', '22.23', '24.22', '26.12'],
  /** Reads how many bytes of its output a stream has not written yet. */
  writeQueue: ['20.20', '22.23', '24.22', '26.12'],
} as const

type Internal = keyof typeof proven

/** Whether the environment variable LEVERET_PORTABLE=1 disables all of them. */
const portable = process.env.LEVERET_PORTABLE === '1'

/** Whether this process may use a private part of Node. */
export function isOpen(internal: Internal): boolean {
  return !portable && isProven(process.versions.node, proven[internal])
}

/** Whether `version` is in the line of one of `newest`, each `MAJOR.MINOR`, and not later. */
export function isProven(version: string, newest: readonly string[]): boolean {
  const [major, minor] = version.split('.').map(Number)
  return newest.some((one) => {
    const [line, last] = one.split('.').map(Number)
    return major === line && minor <= last
  })
}
