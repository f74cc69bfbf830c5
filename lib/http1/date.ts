/** A time in seconds since 1970 in HTTP's format (RFC 9110 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`. */
export function imfFixdate(epochSeconds: number): string {
  return new Date(Math.floor(epochSeconds) * 1000).toUTCString()
}

let dateSecond = NaN
let dateText = ''

/** The Date line for a time in seconds since 1970, rendered once a second. */
export function dateLine(epochSeconds: number): string {
  const second = Math.floor(epochSeconds)
  if (second !== dateSecond) {
    dateSecond = second
    dateText = `Date: ${imfFixdate(second)}\r\n`
  }
  return dateText
}
