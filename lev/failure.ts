/**
 * Makes an error when there is somebody to throw it at: to make one for each connection that is closed takes 5 microseconds, a
 * tenth of all that a connection for one request costs.
 */
export type Failure = () => Error
