import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

/**
 * A program that stands in front of a server. It gives each request an id of its own (`X-Request-Id`), and puts that on the
 * response too, as `X-Proxied`, with the target that it was for as `X-Target`.
 */
export interface Proxy {
  readonly name: string
  readonly program: 'nginx' | 'haproxy'
  /** Its configuration: it listens on the Unix socket `path`, and for HTTP/2 on `path`.h2, has `folder` for its files, and sends all to `port`. */
  configuration(path: string, folder: string, port: number): string
}

/** Time that a client has for its head, and for a pause within its body: so long that no slow machine runs into it. */
const patience = '60s'

function nginx(name: string, server: string): Proxy {
  return {
    name, program: 'nginx',
    configuration: (path, folder, port) => `
      daemon off; master_process off; pid ${folder}/pid; error_log stderr crit;
      events { worker_connections 64; }
      http {
        access_log off;
        client_body_temp_path ${folder}/1; proxy_temp_path ${folder}/2; fastcgi_temp_path ${folder}/3;
        uwsgi_temp_path ${folder}/4; scgi_temp_path ${folder}/5;
        client_header_timeout ${patience}; client_body_timeout ${patience}; keepalive_timeout ${patience}; lingering_timeout ${patience};
        upstream backend { server 127.0.0.1:${port}; keepalive 1; }
        server {
          listen unix:${path}; listen unix:${path}.h2 http2;
          ${server}
          location / {
            proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_set_header X-Request-Id $request_id;
            add_header X-Proxied $request_id always; add_header X-Target $request_uri always;
          }
        }
      }`,
  }
}

function haproxy(name: string, frontend: string, backend: string): Proxy {
  return {
    name, program: 'haproxy',
    configuration: (path, _folder, port) => `
defaults
  mode http
  timeout connect 30s
  timeout server 30s
  timeout client ${patience}
  timeout http-request ${patience}
  timeout http-keep-alive ${patience}
frontend front
  bind unix@${path}
  bind unix@${path}.h2 proto h2
  ${frontend}
  unique-id-format %[uuid()]
  http-request set-header X-Request-Id %[unique-id]
  http-request set-var(txn.target) url
  http-response set-header X-Proxied %[unique-id]
  http-response set-header X-Target %[var(txn.target)]
  default_backend back
backend back
  http-reuse always
  ${backend}
  server one 127.0.0.1:${port}
`,
  }
}

export const proxies: readonly Proxy[] = [
  nginx('nginx', ''),
  nginx('nginx, that passes on bodies as they come, and odd header names', `
    proxy_request_buffering off; ignore_invalid_headers off; underscores_in_headers on;`),
  haproxy('HAProxy', '', ''),
  haproxy('HAProxy, that accepts invalid requests', 'option accept-invalid-http-request', 'option accept-invalid-http-response'),
]

/** Whether it is installed here. */
export function isInstalled({ program }: Proxy): boolean {
  try {
    execFileSync(program, ['-v'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Runs it in front of `port` until the test is over. Gives the path of the Unix socket that it listens on. */
export async function startProxy(t: Test, proxy: Proxy, port: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'leveret-proxy-'))
  const path = join(folder, 'socket')
  const file = join(folder, 'configuration')
  writeFileSync(file, proxy.configuration(path, folder, port))
  const args = proxy.program === 'nginx' ? ['-p', folder, '-e', 'stderr', '-c', file] : ['-db', '-f', file]
  const child = spawn(proxy.program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let complaints = ''
  child.stderr.on('data', (text: Buffer) => (complaints += text.toString()))
  const ended = once(child, 'close')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
    rmSync(folder, { recursive: true, force: true })
  })
  while (!(await accepts(path))) {
    if (child.exitCode !== null) throw new Error(`${proxy.name} ended: ${complaints}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return path
}

/** Whether a server accepts connections on a Unix socket. */
export async function accepts(path: string): Promise<boolean> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
