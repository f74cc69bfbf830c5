/**
 * The major versions of Node on which each use of a private part of Node is allowed: all tests, including those of isolation,
 * pass with it there (`npm run test:nodes`). All other versions, also later ones, get the documented API. Even on these
 * versions the private part must exist, and `directInput` and `reusedZlib` check that it works as expected.
 *
 * Not on 26: `directInput`, because a TLS read there returns memory that all reads of the process share, so one client's bytes
 * would get into another client's request; `directOutput`, because it needs a class of Node's that cannot be obtained there.
 */
const proven = {
  /** Reads the decrypted bytes of a TLS socket below stream.Readable. */
  directInput: [20, 22, 24],
  /** Writes to a socket below stream.Writable. */
  directOutput: [20, 22, 24],
  /** Accepts connections before Node creates a socket for each, and reads all of them into one buffer. */
  sharedRead: [20, 22, 24, 26],
  /** Reads addresses without making Node keep each one. */
  addressBook: [20, 22, 24, 26],
  /** Reuses one compressor for many contents. */
  reusedZlib: [20, 22, 24, 26],
  /** Reads how many bytes of its output a stream has not written yet. */
  writeQueue: [20, 22, 24, 26],
} as const

type Internal = keyof typeof proven

const major = Number(process.versions.node.split('.')[0])

/** Whether the environment variable LEVERET_PORTABLE=1 disables all of them. */
const portable = process.env.LEVERET_PORTABLE === '1'

/** Whether this process may use a private part of Node. */
export function isOpen(internal: Internal): boolean {
  const majors: readonly number[] = proven[internal]
  return !portable && majors.includes(major)
}
