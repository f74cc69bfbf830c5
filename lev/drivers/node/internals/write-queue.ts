import { isOpen } from './gate.js'

/** Bytes that a stream has passed to the system but that are not written yet; null if that is unknown. */
export function queuedBytes(stream: object): number | null {
  const handle: unknown = isOpen('writeQueue') ? Reflect.get(stream, '_handle') : null
  if (typeof handle !== 'object' || handle === null) return null
  const size: unknown = Reflect.get(handle, 'writeQueueSize')
  return typeof size === 'number' ? size : null
}
