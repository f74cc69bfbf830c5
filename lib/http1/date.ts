let dateSecond = NaN
let dateText = ''

/** The Date line (RFC 9110 5.6.7) for a time in seconds since 1970, rendered once a second. */
export function dateLine(epochSeconds: number): string {
  const second = Math.floor(epochSeconds)
  if (second !== dateSecond) {
    dateSecond = second
    dateText = `Date: ${new Date(second * 1000).toUTCString()}\r\n`
  }
  return dateText
}
