import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { peerFile, printed, type Order, type Peer } from './peer.js'
import type { TaskName } from './tasks.js'

/** What nginx does for those tasks that need no program. */
const responses: Partial<Record<TaskName, string>> = {
  hello: file('hello.txt', 'text/plain; charset=utf-8'),
  close: file('hello.txt', 'text/plain; charset=utf-8'),
  headers: 'default_type "text/plain; charset=utf-8"; add_header Cache-Control no-cache; ' +
    'return 200 "$uri $args\\n$http_user_agent\\n$http_accept_language\\n";',
  gzip: `gzip on; gzip_comp_level 4; gzip_types text/plain; gzip_vary on; ${file('text-20k.txt', 'text/plain')} charset utf-8;`,
  text: file('text-1m.txt', 'text/plain; charset=utf-8'),
  download: file('bytes-10m.bin', 'application/octet-stream'),
  file: 'types { text/plain txt; application/octet-stream bin; } charset utf-8; etag on; max_ranges 100; add_header Cache-Control no-cache; try_files $uri =404;',
}

function file(name: string, type: string): string {
  return `default_type "${type}"; try_files /${name} =404;`
}

/** The configuration for one order. @throws Error for a task that it does not do */
export function nginxConfig({ task, port, content, folder, pem }: Order): string {
  const response = responses[task]
  if (response === undefined) throw new Error(`nginx has no response for ${task}`)
  const listen = `listen 127.0.0.1:${port} backlog=511${pem === null ? '' : ' ssl'};`
  const tls = pem === null ? '' : `
    ssl_certificate ${pem.cert};
    ssl_certificate_key ${pem.key};
    ssl_session_cache shared:SSL:10m;
    ssl_protocols TLSv1.2 TLSv1.3;`
  const values: Record<string, string> = {
    // Started by root it would give up root's rights, and the folder is for who started it.
    USER: process.getuid?.() === 0 ? 'user root;' : '',
    LISTEN: listen + tls, FOLDER: folder, CONTENT: content, RESPONSE: response,
  }
  return readFileSync(peerFile('nginx/nginx.conf'), 'utf8').replace(/^#.*\n/, '').replace(/@([A-Z]+)@/g, (_, name: string) => values[name])
}

export const nginx: Peer = {
  name: 'nginx',
  title: 'nginx',
  collects: false,
  declines: (task) => (task in responses ? null : 'it serves what is there, and runs no program'),
  find() {
    const said = printed('nginx', ['-v'])
    return said === null ? { absent: 'not installed: apt install nginx-light' } : { version: /nginx\/(\S+)/.exec(said)?.[1] ?? said }
  },
  command(order) {
    const config = join(order.folder, `nginx-${order.port}.conf`)
    writeFileSync(config, nginxConfig(order))
    return ['nginx', '-e', 'stderr', '-p', order.folder, '-c', config, '-g', 'daemon off;']
  },
}
