/** Reason phrases of the status codes registered with IANA (RFC 9110 15 and others). */
const reasons: Readonly<Record<number, string>> = {
  100: 'Continue',
  101: 'Switching Protocols',
  102: 'Processing',
  103: 'Early Hints',
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  203: 'Non-Authoritative Information',
  204: 'No Content',
  205: 'Reset Content',
  206: 'Partial Content',
  207: 'Multi-Status',
  208: 'Already Reported',
  226: 'IM Used',
  300: 'Multiple Choices',
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  304: 'Not Modified',
  305: 'Use Proxy',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Payment Required',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  407: 'Proxy Authentication Required',
  408: 'Request Timeout',
  409: 'Conflict',
  410: 'Gone',
  411: 'Length Required',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  414: 'URI Too Long',
  415: 'Unsupported Media Type',
  416: 'Range Not Satisfiable',
  417: 'Expectation Failed',
  418: "I'm a teapot",
  421: 'Misdirected Request',
  422: 'Unprocessable Content',
  423: 'Locked',
  424: 'Failed Dependency',
  425: 'Too Early',
  426: 'Upgrade Required',
  428: 'Precondition Required',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  451: 'Unavailable For Legal Reasons',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
  506: 'Variant Also Negotiates',
  507: 'Insufficient Storage',
  508: 'Loop Detected',
  510: 'Not Extended',
  511: 'Network Authentication Required',
}

/** The reason phrase of a status code; "" for one that is not registered. */
export function reasonOf(status: number): string {
  return reasons[status] ?? ''
}

const lines: string[] = []
for (let status = 100; status < 600; status++) lines[status] = `HTTP/1.1 ${status} ${reasonOf(status)}\r\n`

/**
 * The status line for a code from 100 to 599. It has HTTP/1.1 for clients of HTTP/1.0 too: the version is the highest that the
 * sender supports, not that of the request (RFC 9110 2.5).
 */
export function statusLine(status: number): string {
  return lines[status]
}

/** Whether a response with this status to this method has content (RFC 9110 6.4.1, and 15.3.6 for 205). */
export function hasContent(method: string, status: number): boolean {
  return method !== 'HEAD' && status >= 200 && status !== 204 && status !== 205 && status !== 304 && !opensTunnel(method, status)
}

/** Whether the response turns the connection into a tunnel, and so has no content whatever its headers say (RFC 9110 9.3.6). */
export function opensTunnel(method: string, status: number): boolean {
  return method === 'CONNECT' && status < 300
}
