/**
 * Fields that are not allowed in trailers, in lower case (RFC 9110 6.5.1): those for framing, routing, authentication, request
 * control and the format of the content. A proxy that merges trailers into the header would take them for header fields.
 */
export const FORBIDDEN_TRAILERS: ReadonlySet<string> = new Set([
  'authorization', 'cache-control', 'connection', 'content-encoding', 'content-length', 'content-range', 'content-type',
  'cookie', 'expect', 'forwarded', 'host', 'if-match', 'if-modified-since', 'if-none-match', 'if-range',
  'if-unmodified-since', 'keep-alive', 'max-forwards', 'origin', 'proxy-authenticate', 'proxy-authorization',
  'proxy-connection', 'range', 'set-cookie', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'www-authenticate',
  'x-client-ip', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip',
])
