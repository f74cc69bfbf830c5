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

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const month = `(${months.join('|')})`
const time = '([0-9]{2}):([0-9]{2}):([0-9]{2})'
const IMF_FIXDATE = new RegExp(`^[A-Z][a-z]{2}, ([0-9]{2}) ${month} ([0-9]{4}) ${time} GMT$`)
const RFC850_DATE = new RegExp(`^[A-Z][a-z]{5,8}, ([0-9]{2})-${month}-([0-9]{2}) ${time} GMT$`)
const ASCTIME_DATE = new RegExp(`^[A-Z][a-z]{2} ${month} ([0-9 ][0-9]) ${time} ([0-9]{4})$`)

/**
 * Reads an HTTP-date in any of its three forms (RFC 9110 5.6.7): seconds since 1970, NaN for any other text. The name of the
 * weekday is not checked.
 *
 * @param now gives the seconds since 1970; a year of two digits is at most 50 years later
 */
export function parseDate(text: string, now: () => number): number {
  const fixed = IMF_FIXDATE.exec(text)
  if (fixed !== null) return secondsOf(Number(fixed[3]), fixed[2], fixed[1], fixed[4], fixed[5], fixed[6])
  const old = RFC850_DATE.exec(text)
  if (old !== null) return secondsOf(wholeYear(Number(old[3]), now()), old[2], old[1], old[4], old[5], old[6])
  const asctime = ASCTIME_DATE.exec(text)
  if (asctime !== null) return secondsOf(Number(asctime[6]), asctime[1], asctime[2], asctime[3], asctime[4], asctime[5])
  return NaN
}

function wholeYear(year: number, now: number): number {
  const thisYear = new Date(now * 1000).getUTCFullYear()
  const near = thisYear - (thisYear % 100) + year
  return near > thisYear + 50 ? near - 100 : near
}

function secondsOf(year: number, monthName: string, day: string, hours: string, minutes: string, seconds: string): number {
  // A leap second, 60, counts as the second before it.
  const values = [Number(day), Number(hours), Number(minutes), Math.min(Number(seconds), 59)] as const
  const date = new Date(0)
  date.setUTCFullYear(year, months.indexOf(monthName), values[0])
  date.setUTCHours(values[1], values[2], values[3])
  // Days and hours that do not exist run over into the next ones.
  const exists = Number(seconds) <= 60 && date.getUTCDate() === values[0] && date.getUTCHours() === values[1] && date.getUTCMinutes() === values[2]
  return exists ? date.getTime() / 1000 : NaN
}
