/** The version of this package. */
export const version = '0.1.0'

/** The default User-Agent of the client. */
export const userAgent = `leveret/${version}`
