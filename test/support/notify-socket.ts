import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'

/** Receives what a service manager is told, as systemd does, until the test ends. */
export interface NotifySocket {
  /** Its path, for NOTIFY_SOCKET. */
  readonly path: string
  /** The messages so far that were not taken by `next`. */
  readonly waiting: readonly Notification[]
  /** The next message that is no sign of life. */
  next(): Promise<Notification>
  /** The next message. */
  any(): Promise<Notification>
}

/** One message. */
export interface Notification {
  readonly state: Readonly<Record<string, string>>
  /** The process that is told as its sender. */
  readonly pid: number
  /** CLOCK_MONOTONIC when it was received, in microseconds. */
  readonly time: number
}

/** Node.js has no datagram sockets of the Unix family. A barrier is a descriptor that the receiver closes. */
const receiver = `
import array, json, os, socket, struct, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
s.bind(sys.argv[1])
print('bound', flush=True)
while True:
    data, ancillary, flags, sender = s.recvmsg(4096, 256)
    pid = 0
    for level, kind, content in ancillary:
        if kind == socket.SCM_RIGHTS:
            descriptors = array.array('i')
            descriptors.frombytes(content)
            for one in descriptors: os.close(one)
        if kind == 2: pid = struct.unpack('3i', content[:12])[0]
    if data != b'BARRIER=1':
        state = dict(line.split('=', 1) for line in data.decode().splitlines())
        print(json.dumps({'state': state, 'pid': pid, 'time': time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6}), flush=True)
`

export async function notifySocket(t: Test): Promise<NotifySocket> {
  const folder = mkdtempSync(join(tmpdir(), 'leveret-'))
  const path = join(folder, 'notify.sock')
  const child = spawn('python3', ['-c', receiver, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
    rmSync(folder, { recursive: true })
  })
  const waiting: Notification[] = []
  let wake = (): void => {}
  let isBound = false
  createInterface(child.stdout).on('line', (line) => {
    if (isBound) waiting.push(JSON.parse(line) as Notification)
    isBound = true
    wake()
  })
  const more = (): Promise<void> => new Promise((resolve) => (wake = resolve))
  const any = async (): Promise<Notification> => {
    for (;;) {
      const first = waiting.shift()
      if (first !== undefined) return first
      await more()
    }
  }
  const next = async (): Promise<Notification> => {
    for (;;) {
      const one = await any()
      if (!('WATCHDOG' in one.state)) return one
    }
  }
  if (!isBound) await more()
  return { path, waiting, next, any }
}
