// Limits of a server that are not settings. docs/guide/settings.md lists each of them.
export { cleanupSeconds, tlsOverheadBytes, tlsOverheadPerByte, unreadLimitBytes, unsentLimitBytes } from '../../lev/internal.js'
export { sessionSeconds, ticketPeriodSeconds } from '../../tls/tickets.js'
export { partLimit } from '../http1/multipart.js'

/**
 * How long a connection is read after its last response, so that no reset destroys the response before the client receives it.
 * Also how long the output of a connection may stall once its client has disconnected.
 */
export const lingerSeconds = 2
/** Maximum bytes read meanwhile. */
export const lingerBytes = 16 * 1024 * 1024

/** How long an idle connection stays open when the server stops: a request may be in transit. */
export const idleGraceSeconds = 0.25
/** How much longer an idle connection is kept than `Keep-Alive` says: a request may be in transit. */
export const keepAliveGraceSeconds = 1
/** Idle time after which a connection is parked: it then takes a third of the memory, and a little CPU time to resume. */
export const parkAfterSeconds = 1
/** Pipelined requests of one connection served before other connections get a turn. */
export const requestsAtOnce = 32

/** Maximum bytes of a body that are read and dropped if the handler left them unread, to keep the connection open. */
export const unreadBodyBytes = 64 * 1024
/** How long to wait for these bytes. */
export const unreadBodySeconds = 2

/** Maximum bytes of a form field's name. */
export const formNameBytes = 1024
/** Maximum bytes of a form part that is not a file, when parts are read one by one. */
export const formFieldBytes = 1024 * 1024

/** Clients over `connection_limit` that are sent a 503 at the same time; others are disconnected without a response. */
export const overloadToldAtOnce = 64
/** How long such a client has to read the 503. */
export const overloadToldSeconds = 1
/** Minimum time between two log lines about connections over the limit. */
export const overloadLogSeconds = 1

/** Characters of log lines queued while stdout is full; further lines are dropped and counted. */
export const logBacklogCharacters = 1024 * 1024
/** Maximum characters of a value in an access line; the rest is cut off. */
export const logValueCharacters = 2048

/**
 * Time within which a repeated signal counts as an echo of the first: a terminal sends Ctrl-C to npm and to the program that
 * npm runs, and npm forwards its own to the program.
 */
export const signalEchoSeconds = 0.5
/** Time between two looks at the files of certificates, with `ssl.watch`. */
export const certificateWatchSeconds = 5

/** How long a program that `node --watch` restarts may take to end by itself. */
export const restartSeconds = 1

/**
 * How long the handler of a WebSocket may respond to messages that arrived before the client's close. Until then the Close frame
 * in response is held back, as RFC 6455 section 5.5.1 allows.
 */
export const webSocketLastWordsSeconds = 1
/** Size of received messages, queued for the handler of a WebSocket, at which reading pauses: the client feels backpressure. */
export const webSocketUnreadBytes = 64 * 1024
/** Bytes per second that all WebSockets of a server may inflate beyond what their input earns; also the most that accumulates. */
export const webSocketInflatedBytes = 16 * 1024 * 1024
