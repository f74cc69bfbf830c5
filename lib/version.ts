/** The version of this package. */
export const version = '0.1.0'

/** How its client names itself. */
export const userAgent = `leveret/${version}`
