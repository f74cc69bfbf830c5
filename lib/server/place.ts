/** What the place at which connections arrive says of them. */
export interface Place {
  /** Whether it has no TLS, even if the server has certificates. */
  readonly isPlain: boolean
  /** Port to which requests are redirected, of the server with TLS; null: they are served. */
  readonly redirect: number | null
}

/** A place that says nothing. */
export const anyPlace: Place = { isPlain: false, redirect: null }
