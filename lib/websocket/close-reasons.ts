/** Why this side closes a WebSocket: sent in the close frame, and kept in `closeCode` and `closeReason`. */
export interface CloseReason {
  readonly code: number
  readonly reason: string
}

/** Close code for a peer that has left without a close frame; never sent (RFC 6455 section 7.4.1). */
export const lost = 1006

/**
 * All close reasons of the library itself (codes: RFC 6455 section 7.4.1); 1006 is never sent. docs/reference/errors.md has the
 * cause and the fix of each.
 */
export const closeReasons = {
  // Frames (RFC 6455 section 5.2).
  reserved: { code: 1002, reason: 'a reserved bit is set' },
  compressed: { code: 1002, reason: 'the compression bit is set where it must not be' },
  opcode: { code: 1002, reason: 'unknown opcode' },
  unmasked: { code: 1002, reason: 'a frame of a client is not masked' },
  masked: { code: 1002, reason: 'a frame of a server is masked' },
  fragmentedControl: { code: 1002, reason: 'a control frame is fragmented' },
  longControl: { code: 1002, reason: 'a control frame is too long' },
  length: { code: 1002, reason: 'a length is not written in the shortest way' },
  hugeLength: { code: 1002, reason: 'the highest bit of a length is set' },
  noBeginning: { code: 1002, reason: 'a continuation of nothing' },
  interrupted: { code: 1002, reason: 'a new message inside of another' },
  closeLength: { code: 1002, reason: 'a close frame with half a code' },
  closeCode: { code: 1002, reason: 'a close code that must not be sent' },

  // Messages.
  notText: { code: 1007, reason: 'the text is not UTF-8' },
  badData: { code: 1007, reason: 'the compressed data is damaged' },
  manyStreams: { code: 1008, reason: 'too many final blocks in one message' },
  overBudget: { code: 1008, reason: 'the data is compressed too well' },
  /** Before or after decompression. */
  tooBig: { code: 1009, reason: 'the message is too big' },

  // The connection.
  tooSlow: { code: 1008, reason: 'too slow' },
  stopping: { code: 1001, reason: 'the server stops' },
  left: { code: 1006, reason: 'the peer left without closing the WebSocket' },
  noPong: { code: 1006, reason: 'no response to a ping' },
  terminated: { code: 1006, reason: 'terminated' },
} as const satisfies Record<string, CloseReason>
