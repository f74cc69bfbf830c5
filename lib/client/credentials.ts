import { urlDecode } from './url-coding.js'

type Headers = Readonly<Record<string, string | string[]>>

/** Moves a URL's user and password into an Authorization header, unless there is one already. */
export function withCredentials(url: URL, headers: Headers): { readonly url: URL; readonly headers: Headers } {
  const { username, password } = url
  if (username === '' && password === '') return { url, headers }
  url.username = ''
  url.password = ''
  if (headers.authorization !== undefined) return { url, headers }
  const pair = Buffer.concat([urlDecode(username, true), Buffer.from(':'), urlDecode(password, true)])
  return { url, headers: { ...headers, authorization: `Basic ${pair.toString('base64')}` } }
}
