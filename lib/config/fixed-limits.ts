// Limits of a server that are no settings. docs/guide/settings.md lists each of them.
export { tlsOverheadBytes, tlsOverheadPerByte, unsentLimitBytes } from '../../lev/internal.js'
export { partLimit } from '../http1/multipart.js'

/**
 * How long a connection is still read after its last response, so that the client receives that: no reset destroys it. Also how
 * long one whose client has gone waits for any of its output to leave.
 */
export const lingerSeconds = 2
/** Most bytes that are read meanwhile. */
export const lingerBytes = 16 * 1024 * 1024

/** How long an idle connection is left open when the server stops: a request may be on its way. */
export const idleGraceSeconds = 0.25
/** How much longer an idle connection is kept than its client was told: a request may be on its way. */
export const keepAliveGraceSeconds = 1
/** After which time an idle connection is parked: it keeps a third of its memory, and waking it takes a little CPU time. */
export const parkAfterSeconds = 1
/** Pipelined requests of one connection after which the other connections have their turn. */
export const requestsAtOnce = 32

/** Most bytes of a body that are read and dropped after its handler left them unread, so that the connection can live on. */
export const unreadBodyBytes = 64 * 1024
/** How long they are waited for. */
export const unreadBodySeconds = 2

/** Bytes of the name of a form's field. */
export const formNameBytes = 1024
/** Bytes of a form's part that is no file, where the parts are read one by one. */
export const formFieldBytes = 1024 * 1024

/** Clients over `connection_limit` that are told so at the same time; more than these are cut without a word. */
export const overloadToldAtOnce = 64
/** How long such a client has to read it. */
export const overloadToldSeconds = 1
/** The time between two log lines about connections over the limit. */
export const overloadLogSeconds = 1

/** Characters of log lines that are held for a stdout that takes nothing; more lines are dropped, and counted. */
export const logBacklogCharacters = 1024 * 1024

/**
 * How long the handler of a WebSocket has for responding to messages that came before the client closed it. Until then the response
 * to the close is held back, as RFC 6455 section 5.5.1 allows.
 */
export const webSocketLastWordsSeconds = 1
/** Bytes that all WebSockets of a server together may unpack in a second beyond what their own bytes have earned, and most that they save up of it. */
export const webSocketInflatedBytes = 16 * 1024 * 1024
