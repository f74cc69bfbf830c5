/**
 * The majors of Node on which each use of a private part of Node is allowed: all tests, those of isolation among them, pass on
 * them with it (`npm run test:nodes`). Every other version, later ones included, takes the documented API. On these majors,
 * too, what is used must be there, and `directInput` and `reusedZlib` look whether it does what it should.
 *
 * Not on 26: `directInput`, since a TLS read there brings memory that all reads of the process share, and one client's bytes
 * would reach another's request; `directOutput`, which asks there for a class of Node's that cannot be had.
 */
const proven = {
  /** Reads what a TLS socket has decrypted below stream.Readable. */
  directInput: [20, 22, 24],
  /** Writes to a socket below stream.Writable. */
  directOutput: [20, 22, 24],
  /** Accepts connections before Node makes a socket of each, and reads them into one buffer. */
  sharedRead: [20, 22, 24, 26],
  /** Asks for addresses without Node keeping each. */
  addressBook: [20, 22, 24, 26],
  /** Compresses one content after the other with one compressor. */
  reusedZlib: [20, 22, 24, 26],
  /** Asks how much of its output a stream has not written yet. */
  writeQueue: [20, 22, 24, 26],
} as const

export type Internal = keyof typeof proven

const major = Number(process.versions.node.split('.')[0])

/** Whether the environment variable LEVERET_PORTABLE=1 turns all of them off. */
const portable = process.env.LEVERET_PORTABLE === '1'

/** Whether a private part of Node may be used by this process. */
export function isOpen(internal: Internal): boolean {
  const majors: readonly number[] = proven[internal]
  return !portable && majors.includes(major)
}
